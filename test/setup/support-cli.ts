import { Command } from "commander";
import { doctorCommand } from "../../src/cli/doctor.ts";
import { setupCommand } from "../../src/cli/setup.ts";

// The two commands alone: a test of the set-up needs no daemon.
await new Command().addCommand(setupCommand()).addCommand(doctorCommand()).parseAsync();
