/** What the decoder of spans takes from Node; the bundler has it for browsers. */
declare module "node:net" {
  export function isIP(text: string): number;
  export function isIPv4(text: string): boolean;
  export function isIPv6(text: string): boolean;
}
