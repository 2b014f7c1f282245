/** Where a person looks at the desktop, and where the page connects to. */
export const VNC_PAGE = "/desktop/vnc";
export const VNC_SOCKET = "/desktop/vnc/websocket";
