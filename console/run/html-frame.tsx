import { useEffect, useRef, useState } from "preact/hooks";
import { address } from "../api.ts";
import { scheme } from "../theme.ts";

const MOST_PIXELS = 900;

/** HTML that code has made, in a frame with an origin of its own that reaches neither this page nor the network. */
export function HtmlFrame({ html }: { readonly html: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const [height, setHeight] = useState(40);
  useEffect(() => {
    const heed = ({ source, data }: MessageEvent<unknown>) => {
      if (source !== frame.current?.contentWindow) return;
      const told = typeof data === "object" && data !== null && "height" in data ? Number(data.height) : 0;
      if (told > 0) setHeight(Math.min(MOST_PIXELS, Math.ceil(told) + 2));
    };
    addEventListener("message", heed);
    return () => removeEventListener("message", heed);
  }, []);
  // Nobody but the frame itself is there to read it: its origin has no name.
  const show = () => frame.current?.contentWindow?.postMessage({ html, scheme: scheme.value }, "*");
  useEffect(show, [html, scheme.value]);
  return (
    <iframe
      ref={frame}
      class="html-output"
      title="HTML output"
      sandbox="allow-scripts"
      src={address("console/frame").href}
      style={{ height: `${height}px` }}
      onLoad={show}
    />
  );
}
