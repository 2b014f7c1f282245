import { render } from "preact";
import { App } from "./app.tsx";
import { watchConnection } from "./connection.ts";
import "@xterm/xterm/css/xterm.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/tabs.css";

watchConnection();
render(<App />, document.body);
