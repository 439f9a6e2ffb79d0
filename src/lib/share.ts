/** Formats a share as `99.4 %`. Only a complete share is shown as 100 %, and only an empty one as 0 %. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (share > 0 && percent < 0.1) return "< 0.1 %";
  if (share < 1 && percent > 99.9) return "> 99.9 %";
  return `${Math.round(percent * 10) / 10} %`;
}
