declare module "*.css";
declare module "@novnc/novnc" {
  /** What the console uses of noVNC, which brings no types. */
  export default class RFB extends EventTarget {
    constructor(
      target: HTMLElement,
      url: string | WebSocket,
      options?: { credentials?: { password: string }; shared?: boolean },
    );
    viewOnly: boolean;
    scaleViewport: boolean;
    background: string;
    disconnect(): void;
    focus(): void;
  }
}
