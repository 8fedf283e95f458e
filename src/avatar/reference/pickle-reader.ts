/**
 * Reads Python pickles (protocols 0 to 5) without Python and without running anything: a pickle is a program for a
 * small stack machine, and this machine knows plain data and those names that its caller lists; every other name is
 * refused. Opcodes: CPython, Lib/pickletools.py.
 */
import { AppError } from '../../errors.js';
import { narrow, PickleBytes, unescapeUnicode, unquote } from './pickle-bytes.js';

/** More steps than a list of a million boxes takes. */
const MAX_STEPS = 50_000_000;
/** Values on the stack or remembered; each costs some tens of bytes. */
const MAX_VALUES = 20_000_000;
const MAX_DEPTH = 1000;
const HIGHEST_PROTOCOL = 5;

/** A name that a pickle may use: a function to call, or without `call` something to hand around. */
export interface PickleGlobal {
  readonly name: string;
  readonly call?: (args: readonly unknown[]) => unknown;
}

/** What a call may give back if the pickle sets its state afterwards. */
export interface PickleBuildable {
  build(state: unknown): void;
}

export interface PickleOptions {
  /** For the sentences of errors. */
  readonly fileName: string;
  /** By `module.name`; nothing else can be named. */
  readonly globals?: readonly PickleGlobal[];
  /** What a persistent id (a value kept outside of the pickle) stands for. */
  readonly persistent?: (id: unknown) => unknown;
}

/**
 * The value of a pickle. None is null, lists, tuples and sets are arrays, dictionaries are Maps, bytes are views of
 * `bytes`, integers beyond 2^53 are bigints. Values may be shared, and contain themselves: walk them to a fixed depth.
 * @throws AppError media-undecodable, naming the file and the foreign name or the damage
 */
export function readPickle(bytes: Uint8Array, options: PickleOptions): unknown {
  return new PickleMachine(bytes, options).run();
}

class PickleMachine {
  readonly #in: PickleBytes;
  readonly #fileName: string;
  readonly #globals: ReadonlyMap<string, PickleGlobal>;
  readonly #persistent: PickleOptions['persistent'];
  readonly #memo = new Map<number, unknown>();
  #stack: unknown[] = [];
  /** The stacks below the marks. */
  readonly #below: unknown[][] = [];
  #values = 0;

  constructor(bytes: Uint8Array, options: PickleOptions) {
    this.#in = new PickleBytes(bytes, options.fileName);
    this.#fileName = options.fileName;
    this.#globals = new Map((options.globals ?? []).map((global) => [global.name, global]));
    this.#persistent = options.persistent;
  }

  run(): unknown {
    for (let step = 0; step < MAX_STEPS; step++) {
      const opcode = this.#in.uint8();
      if (opcode === 0x2e) return this.#pop(); // STOP
      this.#step(opcode);
      if (this.#values > MAX_VALUES) throw this.#fault(`holds more than ${MAX_VALUES} values`);
    }
    throw this.#fault(`takes more than ${MAX_STEPS} steps`);
  }

  #step(opcode: number): void {
    const from = this.#in;
    switch (String.fromCharCode(opcode)) {
      // Numbers and other single values
      case 'N':
        return this.#push(null);
      case '\x88':
        return this.#push(true);
      case '\x89':
        return this.#push(false);
      case 'I':
        return this.#push(this.#decimal(from.line()));
      case 'L':
        return this.#push(this.#decimal(from.line().replace(/L$/, '')));
      case 'J':
        return this.#push(from.int32());
      case 'K':
        return this.#push(from.uint8());
      case 'M':
        return this.#push(from.uint16());
      case '\x8a':
        return this.#push(from.integer(from.uint8()));
      case '\x8b':
        return this.#push(from.integer(from.uint32()));
      case 'F':
        return this.#push(Number(from.line()));
      case 'G':
        return this.#push(from.float64());
      // Text and bytes
      case 'S':
        return this.#push(unquote(from.line()) ?? this.#refuse('a string without quotes'));
      case 'U':
        return this.#push(from.latin1(from.uint8()));
      case 'T':
        return this.#push(from.latin1(from.uint32()));
      case 'V':
        return this.#push(unescapeUnicode(from.line()));
      case '\x8c':
        return this.#push(from.utf8(from.uint8()));
      case 'X':
        return this.#push(from.utf8(from.uint32()));
      case '\x8d':
        return this.#push(from.utf8(from.uint64()));
      case 'C':
        return this.#push(from.take(from.uint8()));
      case 'B':
        return this.#push(from.take(from.uint32()));
      case '\x8e':
      case '\x96':
        return this.#push(from.take(from.uint64()));
      // Lists, tuples, sets, dictionaries
      case ']':
      case ')':
      case '\x8f':
        return this.#push([]);
      case '}':
        return this.#push(new Map());
      case '(':
        return this.#mark();
      case 't':
      case 'l':
      case '\x91':
        return this.#push(this.#popToMark());
      case 'd':
        return this.#push(this.#setAll(new Map(), this.#popToMark()));
      case '\x85':
      case '\x86':
      case '\x87':
        return this.#push(this.#popMany(opcode - 0x84));
      case 'a':
        return this.#appendAll(this.#popMany(1));
      case 'e':
      case '\x90':
        return this.#appendAll(this.#popToMark());
      case 's':
        return void this.#setAll(undefined, this.#popMany(2));
      case 'u':
        return void this.#setAll(undefined, this.#popToMark());
      // The stack and the memo
      case '0':
        return void this.#pop();
      case '1':
        return void this.#popToMark();
      case '2':
        return this.#push(this.#top());
      case 'p':
        return this.#remember(Number(from.line()));
      case 'q':
        return this.#remember(from.uint8());
      case 'r':
        return this.#remember(from.uint32());
      case '\x94':
        return this.#remember(this.#memo.size);
      case 'g':
        return this.#recall(Number(from.line()));
      case 'h':
        return this.#recall(from.uint8());
      case 'j':
        return this.#recall(from.uint32());
      // Names and what is done with them
      case 'c':
        return this.#push(this.#global(from.line(), from.line()));
      case '\x93': {
        const [module, name] = this.#popMany(2);
        return this.#push(this.#global(String(module), String(name)));
      }
      case 'R':
      case '\x81':
        return this.#call();
      case 'b':
        return this.#build();
      case 'P':
        return this.#push(this.#load(from.line()));
      case 'Q':
        return this.#push(this.#load(this.#pop()));
      case '\x80': {
        const protocol = from.uint8();
        return protocol > HIGHEST_PROTOCOL ? this.#refuse(`pickle protocol ${protocol}`) : undefined;
      }
      case '\x95': // FRAME announces how much can be read ahead; here all of it has been read.
        return void from.uint64();
      default:
        // INST, OBJ, NEWOBJ_EX, EXT and out-of-band buffers are never needed here; the rest is not a pickle.
        return this.#refuse(`pickle opcode 0x${opcode.toString(16)} at byte ${from.at - 1}`);
    }
  }

  #push(value: unknown): void {
    this.#values++;
    this.#stack.push(value);
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw this.#fault('takes a value where there is none');
    return this.#stack.pop();
  }

  #top(): unknown {
    if (this.#stack.length === 0) throw this.#fault('takes a value where there is none');
    return this.#stack.at(-1);
  }

  #popMany(count: number): unknown[] {
    if (this.#stack.length < count) throw this.#fault('takes a value where there is none');
    return this.#stack.splice(this.#stack.length - count);
  }

  #mark(): void {
    if (this.#below.length >= MAX_DEPTH) throw this.#fault(`is nested more than ${MAX_DEPTH} deep`);
    this.#below.push(this.#stack);
    this.#stack = [];
  }

  #popToMark(): unknown[] {
    const items = this.#stack;
    this.#stack = this.#below.pop() ?? this.#refuse('a mark that is not there');
    return items;
  }

  #appendAll(items: readonly unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#fault('appends to what is no list');
    for (const item of items) list.push(item);
  }

  /** Sets keys and values, alternating, in `target` or in what lies on the stack. */
  #setAll(target: Map<unknown, unknown> | undefined, items: readonly unknown[]): Map<unknown, unknown> {
    const map = target ?? this.#top();
    if (!(map instanceof Map) || items.length % 2 !== 0)
      throw this.#fault('sets keys in what is no dictionary');
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
    return map;
  }

  #remember(index: number): void {
    this.#values++;
    this.#memo.set(index, this.#top());
  }

  #recall(index: number): void {
    if (!this.#memo.has(index)) throw this.#fault(`recalls value ${index}, which is not there`);
    this.#push(this.#memo.get(index));
  }

  #global(module: string, name: string): PickleGlobal {
    const known = this.#globals.get(`${module}.${name}`);
    if (known !== undefined) return known;
    const shown = `${module}.${name}`.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
    throw this.#fault(
      `names ${shown}, which such a file has no need of: it was not run, and the file is not to be trusted`,
    );
  }

  #call(): void {
    const [callee, args] = this.#popMany(2);
    // Plain values have no `call`; only what #global gave out has one.
    const call = (callee as PickleGlobal | null)?.call;
    if (typeof call !== 'function') throw this.#fault('calls what is no function');
    if (!Array.isArray(args)) throw this.#fault('calls a function without arguments');
    this.#push(call(args));
  }

  #build(): void {
    const state = this.#pop();
    const target = this.#top() as Partial<PickleBuildable> | null;
    if (typeof target?.build !== 'function') throw this.#fault('sets the state of a plain value');
    target.build(state);
  }

  #load(id: unknown): unknown {
    if (this.#persistent === undefined) throw this.#fault('refers to data outside of itself');
    return this.#persistent(id);
  }

  #decimal(text: string): number | bigint | boolean {
    if (text === '00' || text === '01') return text === '01';
    if (!/^-?\d{1,150}$/.test(text)) this.#refuse(`the number ${text.slice(0, 20)}`);
    return narrow(BigInt(text));
  }

  #refuse(what: string): never {
    throw this.#fault(`holds ${what}, which is not understood`);
  }

  #fault(what: string): AppError {
    return new AppError('media-undecodable', `${this.#fileName} ${what}`);
  }
}
