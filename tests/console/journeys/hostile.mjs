// Bad input in every field of every form: nothing runs, nothing breaks, and whoever typed it is told in words.
import { assert, end, given, signedIn } from './lib.mjs';

const texts = [
  '<script>document.title = "taken"</script>', '"><img src=x onerror="document.title=\'taken\'">', 'x'.repeat(10_000), '\u202Eevil\u202C مرحبا שלום',
  '👩‍👩‍👧‍👦🦷', '+7 495 123-45-67', '\'; DROP TABLE people; --', '{{7*7}}${7*7}', '   ', '\0\u0001\u001b[31m',
];
const page = await signedIn({ label: '<b>Anna</b>', roles: ['administrator', 'network_manager', 'regulator'] });
let sent = 0, accepted = 0;
for (const path of given.paths) {
  await page.goto(new URL(path, page.url()).href);
  const forms = await page.locator('form').evaluateAll((all) => all.map((form) => ({
    action: form.getAttribute('action'), method: form.method,
    fields: [...form.elements].filter((field) => field.name).map((field) => ({ name: field.name, type: field.type, value: field.value })),
  })));
  for (const form of forms.filter((one) => !['/sign-out'].includes(one.action))) {
    for (const field of form.fields.filter((one) => !['submit', 'hidden'].includes(one.type) || one.name === 'key')) {
      for (const text of texts) {
        const body = new URLSearchParams(form.fields.filter((one) => one.type !== 'checkbox').map((one) => [one.name, one.value || '2026-03-03']));
        body.set('key', `hostile-${sent}`);
        body.set(field.name, text);
        const url = form.method === 'get' ? `${form.action}?${body}` : form.action;
        const answer = await page.evaluate(async ([to, method, data]) => {
          const got = await fetch(to, { method, body: method === 'get' ? undefined : new URLSearchParams(data) });
          return { status: got.status, text: await got.text() };
        }, [url, form.method, body.toString()]);
        sent += 1;
        assert.ok(answer.status < 500 || answer.status === 503, `${path} ${form.action} ${field.name} ${text.slice(0, 40)}: ${answer.status}`);
        assert.ok(!answer.text.includes('<script>document') && !answer.text.includes('<img src=x'), `${form.action} ${field.name}`);
        if (answer.status < 400) accepted += 1;
      }
    }
  }
}
// What was accepted is shown, and does nothing.
for (const path of given.paths) {
  await page.goto(new URL(path, page.url()).href);
  assert.ok(!(await page.title()).includes('taken'), path);
}
assert.ok(sent > 100 && accepted > 0 && accepted < sent, `${sent} sent, ${accepted} accepted`);
await end();
