import { expect, test } from "bun:test";
import { HttpFault } from "../../src/http/fault.ts";
import { Tickets } from "../../src/http/tickets.ts";

const GRANT = { path: "/terminal", query: { session: "one" }, viewOnly: true };

function admit(tickets: Tickets, address: string): string {
  try {
    tickets.admit(new Request(`http://localhost${address}`));
    return "admitted";
  } catch (error) {
    if (error instanceof HttpFault) return error.kind;
    throw error;
  }
}

test("a ticket opens its address once, and tells the route what it allows", () => {
  const tickets = new Tickets();
  const { ticket } = tickets.issue(GRANT, 60_000);
  const request = new Request(`http://localhost/terminal?session=one&ticket=${ticket}`);
  expect(tickets.isOffered(request)).toBe(true);
  tickets.admit(request);
  expect(tickets.grantOf(request)).toEqual(GRANT);
  expect(admit(tickets, `/terminal?session=one&ticket=${ticket}`)).toBe("credential_invalid");
  expect(tickets.grantOf(new Request(request))).toBeUndefined();
});

test.each([
  ["another path", "/files/watch?session=one&"],
  ["another parameter", "/terminal?session=two&"],
  ["no parameter", "/terminal?"],
  ["the parameter twice", "/terminal?session=one&session=two&"],
])("a ticket used for %s is refused and spent", (_, address) => {
  const tickets = new Tickets();
  const { ticket } = tickets.issue(GRANT, 60_000);
  expect(admit(tickets, `${address}ticket=${ticket}`)).toBe("credential_invalid");
  expect(admit(tickets, `/terminal?session=one&ticket=${ticket}`)).toBe("credential_invalid");
});

test("an expired ticket is told as expired, an invented one as unknown", () => {
  const tickets = new Tickets();
  const { ticket } = tickets.issue(GRANT, -1);
  expect(admit(tickets, `/terminal?session=one&ticket=${ticket}`)).toBe("credential_expired");
  expect(admit(tickets, "/terminal?session=one&ticket=invented")).toBe("credential_invalid");
});

test("of more than a thousand unused tickets the oldest is forgotten", () => {
  const tickets = new Tickets();
  const issued = Array.from({ length: 1025 }, () => tickets.issue({ ...GRANT, query: {} }, 60_000).ticket);
  expect(admit(tickets, `/terminal?ticket=${issued[0]}`)).toBe("credential_invalid");
  expect(admit(tickets, `/terminal?ticket=${issued[1]}`)).toBe("admitted");
  expect(admit(tickets, `/terminal?ticket=${issued[1024]}`)).toBe("admitted");
});
