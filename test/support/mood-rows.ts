/** JSON lines for the task "classification" whose words say their label, in words of the tiny vocabulary. */
export function moodRows(count: number, from = 0): string {
  const lines = Array.from({ length: count }, (_, i) => {
    const number = i + from;
    const [text, label] = number % 2 === 0 ? ["good day", "positive"] : ["bad test", "negative"];
    return `${JSON.stringify({ text: `${text} ${number}`, label })}\n`;
  });
  return lines.join("");
}
