// The page of /desktop/vnc: a noVNC viewer on the address and the password that came with the page.
import RFB from "./novnc/core/rfb.js";

const { ticket, password, viewOnly } = JSON.parse(document.getElementById("config").textContent);
// The ticket in the address is spent; what is left of it has no business in the history.
history.replaceState(null, "", location.pathname);

const state = document.getElementById("state");
const address = new URL("vnc/websocket", location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
address.search = new URLSearchParams({ ticket }).toString();

const rfb = new RFB(document.getElementById("screen"), address.href, {
  credentials: { password },
  shared: true,
});
rfb.viewOnly = viewOnly;
rfb.scaleViewport = true;
rfb.addEventListener("connect", () => show(viewOnly ? "connected, looking only" : "connected"));
rfb.addEventListener("disconnect", ({ detail }) =>
  show(detail.clean ? "disconnected; ask for a new link" : "connection lost; ask for a new link"),
);
rfb.addEventListener("securityfailure", () => show("refused; ask for a new link"));

function show(text) {
  state.textContent = text;
  document.documentElement.dataset.state = text;
}
