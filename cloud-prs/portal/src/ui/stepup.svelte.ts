//! A dangerous action was refused until she proves herself again: one dialog at a
//! time; every waiting request gets the same answer.

class StepUpState {
  open = $state(false);
  #waiting: ((yes: boolean) => void)[] = [];

  ask(): Promise<boolean> {
    this.open = true;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  answer(yes: boolean): void {
    this.open = false;
    for (const f of this.#waiting.splice(0)) f(yes);
  }
}

export const stepUp = new StepUpState();
