interface FileButtonProps {
  readonly label: string;
  /** Extensions and media types that the browser's file dialog offers. */
  readonly accept: string;
  readonly onFile: (file: File) => unknown;
}

/** A button that asks for a file. The same file may be chosen twice in a row. */
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
