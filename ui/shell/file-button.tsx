interface FileButtonProps {
  readonly label: string;
  /** Extensions and media types that the browser's dialog offers. */
  readonly accept: string;
  readonly onFile: (file: File) => unknown;
}

/** Asks for a file; the same one may be given again. */
export function FileButton({ label, accept, onFile }: FileButtonProps) {
  return (
    <label class="chip file">
      {label}
      <input
        type="file"
        accept={accept}
        onChange={(event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file !== undefined) onFile(file);
          event.currentTarget.value = "";
        }}
      />
    </label>
  );
}
