import { Database, SQLiteError } from "bun:sqlite";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode, errorText, UserError } from "../lib/errors.ts";

/** "CLnk", which marks the file as ours in its header. */
const APPLICATION_ID = 0x434c6e6b;
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE text (number INTEGER PRIMARY KEY, value TEXT NOT NULL);
  CREATE TABLE part (id INTEGER PRIMARY KEY, spans BLOB NOT NULL);
`;

/** Rows per statement, which takes a third less time than single rows. */
const ROWS_AT_ONCE = 32;

/** The disk, or the room allowed for the file, is full for now. */
export class StoreFullError extends Error {
  override readonly name = "StoreFullError";
}

/** A part to write. */
interface PartRow {
  /** Greater than all earlier ids: appending costs half of inserting in between. */
  readonly id: number;
  readonly spans: Uint8Array;
}

/** The changes of one commit, applied atomically. */
export interface Changes {
  readonly texts: readonly { readonly number: number; readonly text: string }[];
  readonly parts: readonly PartRow[];
  /** Ids of the parts to delete. */
  readonly evicted: readonly number[];
}

/** The rows of a store, in a SQLite database in memory or in a file that one process owns. */
export class PartDatabase {
  readonly #database: Database;
  readonly #insertText;
  readonly #insertPart;
  readonly #insertParts;
  readonly #deletePart;
  readonly #selectPart;

  /** @throws {UserError} `data-busy`, `data-invalid`, `file-unwritable` */
  constructor(file: string | null) {
    this.#database = file === null ? new Database(":memory:") : openFile(file);
    if (file === null) this.#database.run(SCHEMA);
    this.#insertText = this.#database.query("INSERT INTO text VALUES (?, ?)");
    this.#insertPart = this.#database.query("INSERT INTO part VALUES (?, ?)");
    this.#insertParts = this.#database.query(
      `INSERT INTO part VALUES ${Array(ROWS_AT_ONCE).fill("(?, ?)").join(", ")}`,
    );
    this.#deletePart = this.#database.query("DELETE FROM part WHERE id = ?");
    this.#selectPart = this.#database.query<{ spans: Uint8Array }, [number]>(
      "SELECT spans FROM part WHERE id = ?",
    );
  }

  /** @throws {StoreFullError} without having changed anything */
  commit({ texts, parts, evicted }: Changes): void {
    try {
      this.#database.run("BEGIN IMMEDIATE");
      // Deletes come first, because they make room for the inserts.
      for (const part of evicted) this.#deletePart.run(part);
      for (const { number, text } of texts) this.#insertText.run(number, text);
      this.#insert(parts);
      this.#database.run("COMMIT");
    } catch (error) {
      if (this.#database.inTransaction) this.#database.run("ROLLBACK");
      if (!isFull(error)) throw error;
      throw new StoreFullError(`No room for spans: ${errorText(error)}`, { cause: error });
    }
  }

  part(id: number): Uint8Array {
    const row = this.#selectPart.get(id);
    if (row === null) throw new RangeError(`there is no part ${id}`);
    return row.spans;
  }

  #insert(parts: readonly PartRow[]): void {
    let next = 0;
    for (; next + ROWS_AT_ONCE <= parts.length; next += ROWS_AT_ONCE)
      this.#insertParts.run(
        ...parts.slice(next, next + ROWS_AT_ONCE).flatMap(({ id, spans }) => [id, spans]),
      );
    for (const { id, spans } of parts.slice(next)) this.#insertPart.run(id, spans);
  }

  texts(): Iterable<{ number: number; value: string }> {
    return this.#database
      .query<{ number: number; value: string }, []>("SELECT * FROM text ORDER BY number")
      .iterate();
  }

  parts(): Iterable<{ id: number; spans: Uint8Array }> {
    return this.#database
      .query<{ id: number; spans: Uint8Array }, []>("SELECT * FROM part ORDER BY id")
      .iterate();
  }

  close(): void {
    this.#database.close();
  }
}

/** Whether SQLite failed because the disk, a quota or the file-size limit is full. */
function isFull(error: unknown): boolean {
  return error instanceof SQLiteError && /^SQLITE_(FULL|IOERR)/.test(errorCode(error) ?? "");
}

function openFile(file: string): Database {
  let database: Database | undefined;
  try {
    database = new Database(file, { create: true, readwrite: true });
    // The lock ends with the process, however that ends.
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    checkOwner(database, file);
    database.run("PRAGMA journal_mode = WAL");
    // Commits survive the end of the process. FULL would also survive a crash of the machine, at ten times the cost.
    database.run("PRAGMA synchronous = NORMAL");
    database.run("PRAGMA cache_size = -32768");
    database.run("PRAGMA journal_size_limit = 67108864");
    database.run("BEGIN IMMEDIATE");
    if (readPragma(database, "user_version") === 0) {
      database.run(SCHEMA);
      database.run(`PRAGMA application_id = ${APPLICATION_ID}`);
      database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    }
    database.run("COMMIT");
    return database;
  } catch (error) {
    database?.close();
    throw explain(error, file);
  }
}

function checkOwner(database: Database, file: string): void {
  const owner = readPragma(database, "application_id");
  const version = readPragma(database, "user_version");
  const tables = database.query("SELECT count(*) AS count FROM sqlite_schema").get() as { count: number };
  if (owner === 0 && version === 0 && tables.count === 0) return;
  if (owner === APPLICATION_ID && version === SCHEMA_VERSION) return;
  const found = owner === APPLICATION_ID ? `one of version ${version}` : "a database of something else";
  throw new UserError(
    "data-invalid",
    `${file}: expected spans of chain-link, version ${SCHEMA_VERSION}, found ${found}.`,
    "Give another file; a new one is made where there is none.",
  );
}

function readPragma(database: Database, name: "application_id" | "user_version"): number {
  const row = database.query(`PRAGMA ${name}`).get() as Record<string, number>;
  return row[name] as number;
}

function explain(error: unknown, file: string): unknown {
  const code = errorCode(error) ?? "";
  if (code.startsWith("SQLITE_BUSY")) {
    return new UserError(
      "data-busy",
      `${file} is used by another process.`,
      "Stop that collector, or give another file: one process writes a file.",
      { cause: error },
    );
  }
  if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT")) {
    return new UserError(
      "data-invalid",
      `${file}: expected spans of chain-link, found something else (${errorText(error)}).`,
      "Give another file; a new one is made where there is none.",
      { cause: error },
    );
  }
  if (code.startsWith("SQLITE_")) {
    // SQLite gives no reason.
    const folder = dirname(file);
    const reason = existsSync(folder) ? errorText(error) : `there is no folder ${folder}`;
    return new UserError("file-unwritable", `${file} cannot be opened: ${reason}`, undefined, {
      cause: error,
    });
  }
  return error;
}
