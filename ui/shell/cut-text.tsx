/** Shows a shortened text but keeps the whole text for page search and screen readers. */
export function CutText({ text, shown }: { readonly text: string; readonly shown: string }) {
  if (text === shown) return <>{text}</>;
  return (
    <>
      <span aria-hidden="true">{shown}</span>
      <span class="sr-only">{text}</span>
    </>
  );
}
