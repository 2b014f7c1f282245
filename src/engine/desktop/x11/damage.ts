import type { XConnection } from "./connection.ts";
import type { Rectangle } from "./core.ts";
import { Packet } from "./packet.ts";

const QUERY_VERSION = 0;
const CREATE = 1;
const DESTROY = 2;
/** Every rectangle that is drawn, as it is drawn. */
const RAW_RECTANGLES = 0;

/** Calls back for everything that is drawn on the screen, until it is disposed (DAMAGE 1.1). */
export async function watchDamage(x: XConnection, onDrawn: (area: Rectangle) => void): Promise<Disposable> {
  const { opcode, firstEvent } = await x.requireExtension("DAMAGE");
  await x.ask(new Packet(opcode, QUERY_VERSION).u32(1, 1));
  const id = x.newId();
  await x.check(new Packet(opcode, CREATE).u32(id, x.facts.root).u8(RAW_RECTANGLES).skip(3));
  const listening = x.listen((event) => {
    if (event.code !== firstEvent || event.u32(8) !== id) return;
    onDrawn({ x: event.i16(16), y: event.i16(18), width: event.u16(20), height: event.u16(22) });
  });
  return {
    [Symbol.dispose]: () => {
      listening[Symbol.dispose]();
      if (x.isOpen) x.send(new Packet(opcode, DESTROY).u32(id));
    },
  };
}
