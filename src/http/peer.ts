const peers = new WeakMap<Request, () => string | undefined>();

/** Called by the listener; the address is looked up when somebody asks. */
export function rememberPeer(request: Request, find: () => string | undefined): void {
  peers.set(request, find);
}

/** The address that a request came from, without its port; undefined once the client has gone. */
export function peerOf(request: Request): string | undefined {
  return peers.get(request)?.();
}
