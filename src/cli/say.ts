/** What the command line says to people, beside what it is asked for. */
export function say(text: string): void {
  process.stderr.write(`tutti: ${text}\n`);
}
