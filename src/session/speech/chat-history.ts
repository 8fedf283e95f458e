import type { ChatMessage } from '../../adapters/chat-service.js';

/** What a model is told of the conversation so far: the newest turns, and no more characters than these. */
export const MAX_TURNS = 20;
export const MAX_HISTORY_CHARS = 20_000;

/** What became of the avatar's answer. */
export interface Answer {
  /** What was heard of it so far, or will be; undefined if it failed before a word was. */
  heard(): string | undefined;
  /** It changes no more. */
  isOver(): boolean;
}

/** A question and what became of it. */
export interface Turn {
  readonly user: string;
  answer: Answer | string;
}

/** One session's conversation with a language model: what the user wrote, and what was heard of the answers. */
export class ChatHistory {
  readonly #systemPrompt: string | undefined;
  #turns: Turn[] = [];

  constructor(systemPrompt: string | undefined) {
    this.#systemPrompt = systemPrompt;
  }

  /** Takes in what the user wrote, and how to learn what became of the answer. */
  add(user: string, answer: Answer): Turn {
    const turn: Turn = { user, answer };
    this.#turns.push(turn);
    if (this.#turns.length > MAX_TURNS) this.#turns.shift();
    return turn;
  }

  /** The conversation up to a turn's question, oldest first. User and assistant take turns strictly. */
  messagesFor(turn: Turn): ChatMessage[] {
    this.#settle(turn);
    const messages: ChatMessage[] = [];
    let chars = 0;
    const known = this.#turns.slice(0, this.#turns.indexOf(turn) + 1);
    for (const [index, { user, answer }] of known.reverse().entries()) {
      const heard = index === 0 ? '' : typeof answer === 'string' ? answer : (answer.heard() ?? '');
      chars += user.length + heard.length;
      if (index > 0 && chars > MAX_HISTORY_CHARS) break;
      if (heard !== '') messages.unshift({ role: 'assistant', content: heard });
      const [next] = messages;
      // Nothing was heard between two questions: many models take only one at a time.
      if (next?.role === 'user') messages[0] = { role: 'user', content: `${user}\n${next.content}` };
      else messages.unshift({ role: 'user', content: user });
    }
    const system = this.#systemPrompt;
    return system === undefined ? messages : [{ role: 'system', content: system }, ...messages];
  }

  /** Answers that are over become plain text; questions that nobody could answer are forgotten. */
  #settle(newest: Turn): void {
    this.#turns = this.#turns.filter((turn) => {
      const { answer } = turn;
      if (turn === newest || typeof answer === 'string' || !answer.isOver()) return true;
      const heard = answer.heard();
      turn.answer = heard ?? '';
      return heard !== undefined;
    });
  }
}
