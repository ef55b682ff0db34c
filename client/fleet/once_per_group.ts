/**
 * An answer that is the same for all members of a group, and is asked of one of them.
 *
 * @module
 */

/** Asks a member only while no other one of its group has answered. */
export class OncePerGroup<T> {
  readonly #ask: (member: string) => Promise<T>;
  readonly #groupOf: (member: string) => string;
  readonly #answers = new Map<string, Promise<T>>();

  constructor(ask: (member: string) => Promise<T>, groupOf: (member: string) => string) {
    this.#ask = ask;
    this.#groupOf = groupOf;
  }

  /**
   * The answer. One that fails says nothing of the others: the next member is asked then.
   *
   * @throws As `ask` does for this member.
   */
  async of(member: string): Promise<T> {
    const group = this.#groupOf(member);
    for (;;) {
      const known = this.#answers.get(group);
      if (known === undefined) break;
      const answered = await known.then((value) => ({ value }), () => undefined);
      if (answered !== undefined) return answered.value;
    }
    const answer = this.#ask(member);
    this.#answers.set(group, answer);
    try {
      return await answer;
    } catch (error) {
      this.#answers.delete(group);
      throw error;
    }
  }
}
