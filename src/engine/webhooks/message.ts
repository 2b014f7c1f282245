import type { Delivery } from "./delivery-table.ts";
import { signatureHeaders } from "./signature.ts";

/** A caller's own content type wins; all else that is made here cannot be among the caller's. */
export function headersOf(delivery: Delivery, body: string): Record<string, string> {
  const { headerPrefix, secret, deliveryId } = delivery;
  // Written by `DeliveryTable.insert` from exactly this type.
  const given = JSON.parse(delivery.headers) as Record<string, string>;
  const hasOwn = (name: string) => Object.keys(given).some((key) => key.toLowerCase() === name.toLowerCase());
  return {
    ...(hasOwn("Content-Type") ? {} : { "Content-Type": "application/json" }),
    ...(hasOwn("User-Agent") ? {} : { "User-Agent": "Sanderling" }),
    ...given,
    [`${headerPrefix}Delivery`]: deliveryId,
    ...signatureHeaders(headerPrefix, body, secret),
  };
}
