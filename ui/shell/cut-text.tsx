/** A text of which only a part is seen; all of it is there for who searches the page or has it read out. */
export function CutText({ text, shown }: { readonly text: string; readonly shown: string }) {
  if (text === shown) return <>{text}</>;
  return (
    <>
      <span aria-hidden="true">{shown}</span>
      <span class="sr-only">{text}</span>
    </>
  );
}
