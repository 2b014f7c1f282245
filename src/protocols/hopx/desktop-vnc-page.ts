/** Where a person looks at the desktop. */
export const VNC_PAGE = "/desktop/vnc";
