import type { Fields } from "../http/fields.ts";
import { Plan, type PlanParts, POSITION_HEADER } from "./plan.ts";
import type { Role, Roles } from "./roles.ts";

interface PlansOptions extends PlanParts {
  /** The link's own name, independent of the role that a request assigns to it. */
  readonly name: string;
  /** The currently known services; they may change. */
  readonly roles: () => Roles;
  /** Whether {@link POSITION_HEADER} determines the role. */
  readonly trustPosition: boolean;
}

/** The plans of a link, which plays one role, or whichever role a request asks for. */
export class Plans {
  readonly #options: PlansOptions;
  #roles: Roles;
  #made = new Map<Role, Plan>();
  /** The plan that was requested last, found by the name in the header. */
  #last: Plan | null = null;
  #own: Plan | undefined;

  constructor(options: PlansOptions) {
    this.#options = options;
    this.#roles = options.roles();
  }

  /**
   * The plan for a request. The header at `positionIndex` names the receiver; if it is empty or absent (-1), that is this
   * link. `undefined` if the name is unknown.
   */
  find(fields: Fields, positionIndex: number): Plan | undefined {
    const roles = this.#options.roles();
    if (roles !== this.#roles) this.#renew(roles);
    if (positionIndex !== -1 && this.#options.trustPosition) {
      const start = fields.valueStart(positionIndex);
      const end = fields.valueEnd(positionIndex);
      if (this.#last !== null && isName(this.#last.name, fields.bytes, start, end)) return this.#last;
      // Joins several lines, which makes the name unknown.
      const name = fields.get(POSITION_HEADER);
      if (name !== null && name !== "") return this.#findNamed(name);
    }
    this.#own ??= this.#planOf(roles.findOwn(this.#options.name));
    return this.#own;
  }

  #findNamed(name: string): Plan | undefined {
    const plan = this.#planOf(this.#roles.find(name));
    if (plan !== undefined) this.#last = plan;
    return plan;
  }

  #planOf(role: Role | undefined): Plan | undefined {
    if (role === undefined) return undefined;
    const known = this.#made.get(role);
    if (known !== undefined) return known;
    const made = new Plan(role, this.#options);
    this.#made.set(role, made);
    return made;
  }

  #renew(roles: Roles): void {
    this.#roles = roles;
    this.#made = new Map();
    this.#last = null;
    this.#own = undefined;
  }
}

function isName(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
  return true;
}
