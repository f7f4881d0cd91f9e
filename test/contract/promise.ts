import { test } from "vitest";

export type Promises<Fixture> = (sentence: string, check: (fixture: Fixture) => Promise<void>) => void;

/** Gives the function that states one promise of a port: a test of its own, on an engine of its own. */
export function promisesOf<Fixture extends { readonly close: () => Promise<void> }>(
  name: string,
  open: () => Promise<Fixture>,
): Promises<Fixture> {
  return (sentence, check) =>
    test(`${name}: ${sentence}`, async () => {
      const fixture = await open();
      try {
        await check(fixture);
      } finally {
        await fixture.close();
      }
    });
}
