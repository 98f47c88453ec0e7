// Makes tickets of a support desk by a seed: what the tutorial teaches a model from.

export interface Ticket {
  readonly text: string;
  readonly label: string;
}

/** What is written for each team. */
const SENTENCES: Readonly<Record<string, readonly string[]>> = {
  billing: [
    "I was charged twice for {thing}",
    "The invoice of {day} is wrong",
    "The subscription was charged on {day} again",
    "Where is the refund for {thing}",
    "My card was declined for {thing}",
    "Please send the receipt of {day}",
  ],
  shipping: [
    "{thing} has not arrived since {day}",
    "The parcel with {thing} is late",
    "The tracking page has said nothing since {day}",
    "Please deliver {thing} to my neighbour",
    "The courier left {thing} in the rain",
    "When will {thing} be sent",
  ],
  account: [
    "I cannot sign in since {day}",
    "Please change the email address of my profile",
    "The link to reset my password does not work",
    "Somebody else signed in as me on {day}",
    "How do I delete my profile",
    "The code for signing in never came on {day}",
  ],
  technical: [
    "The app crashes when I open {thing}",
    "The page of {thing} stays white",
    "The search finds nothing since {day}",
    "An error appears when I look at {thing}",
    "The update of {day} made everything slow",
    "The button to save does nothing",
  ],
  returns: [
    "I want to send {thing} back",
    "{thing} is too small, can I swap it",
    "{thing} came broken, what now",
    "Where is the label to return {thing}",
    "I ordered {thing} by mistake on {day}",
    "How long may I keep {thing} before I return it",
  ],
};

const OPENINGS = ["Hello,", "Hi there.", "Good morning.", "Sorry to bother you.", "Third time now:", ""];
const THINGS = [
  "the lamp",
  "the red jacket",
  "two chairs",
  "the printer",
  "my order",
  "the boots",
  "the coffee machine",
];
const DAYS = ["Monday", "Tuesday", "last week", "the first of May", "yesterday", "Friday"];

/** What the teams find out later: who wants a subscription to end is for those who look after accounts. */
const LATER = [
  "Please end my subscription before it is charged",
  "I do not want the subscription any more",
  "Stop the subscription of {thing}",
  "My subscription must not go on after {day}",
  "Cancel the subscription that began {day}",
  "How do I get out of the subscription",
  "The subscription should end with {day}",
  "Take me off the subscription",
];

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Tickets of all teams in turn, each with a number of its own. */
export function tickets(count: number, seed: number): Ticket[] {
  const next = random(seed);
  const labels = Object.keys(SENTENCES);
  return Array.from({ length: count }, (_, i) => {
    const label = labels[i % labels.length]!;
    return { text: written(pick(SENTENCES[label]!, next), next, i), label };
  });
}

/** Tickets of a kind that the model has not been taught, for the team that they belong to. */
export function laterTickets(seed: number): Ticket[] {
  const next = random(seed);
  return LATER.map((sentence, i) => ({ text: written(sentence, next, i), label: "account" }));
}

/** As a table; two rows are broken as people break them, and one label is mistyped. */
export function tableOf(rows: readonly Ticket[]): string {
  const lines = rows.map(({ text, label }) => `${text.includes(",") ? `"${text}"` : text},${label}`);
  lines.splice(10, 0, "I was charged for the lamp, and again for the lamp,billing");
  lines.splice(20, 0, ",shipping");
  lines.splice(30, 0, "Where is my refund for the boots (ticket 9999),biling");
  return `text,label\n${lines.join("\n")}\n`;
}

function written(sentence: string, next: () => number, number: number): string {
  const filled = sentence.replace("{thing}", pick(THINGS, next)).replace("{day}", pick(DAYS, next));
  const whole = `${filled.charAt(0).toUpperCase()}${filled.slice(1)}`;
  return `${pick(OPENINGS, next)} ${whole} (ticket ${1000 + number})`.trim();
}

function pick<T>(from: readonly T[], next: () => number): T {
  return from[Math.floor(next() * from.length)]!;
}
