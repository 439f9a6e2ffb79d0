interface FileButtonProps {
  readonly label: string;
  readonly onFile: (file: File) => unknown;
}

/** Asks for a JSON file; the same one may be given again. */
export function FileButton({ label, onFile }: FileButtonProps) {
  return (
    <label class="chip file">
      {label}
      <input
        type="file"
        accept=".json,application/json"
        onChange={(event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file !== undefined) onFile(file);
          event.currentTarget.value = "";
        }}
      />
    </label>
  );
}
