// What every journey stands on: a browser, somebody signed in, words in both languages, keys instead of a mouse, and questions to the test
// that runs it. A journey must never find an element by anything but its role, its visible name or what a person would read.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';

const require = createRequire(`${process.env.TACT_TEST_PACKAGES}/`);
const { chromium } = require('playwright-core');
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export { assert };
export const given = JSON.parse(process.argv[2]);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/// Asks the test to do something, and waits until it is done.
export async function ask(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
  return JSON.parse((await answers.next()).value);
}

const browser = await chromium.launch({ executablePath: process.env.TACT_TEST_BROWSER, args: ['--no-sandbox'] });
const troubles = [];

/// A browser window of somebody's own.
export async function open({ language = 'en', width = 1280, height = 900, dark = false, state, also } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, locale: language === 'ru' ? 'ru-RU' : 'en-GB', colorScheme: dark ? 'dark' : 'light', storageState: state, acceptDownloads: true,
  });
  context.setDefaultTimeout(180_000);
  const page = await context.newPage();
  page.on('pageerror', (error) => troubles.push(`${page.url()}: ${error}`));
  page.on('dialog', (dialog) => { troubles.push(`${page.url()}: a script has asked something`); dialog.dismiss(); });
  page.on('console', (message) => { if (/Content.Security.Policy/i.test(message.text())) troubles.push(`${page.url()}: ${message.text()}`); });
  // Nothing from elsewhere; what the pages of another site do, to which a journey goes, is theirs.
  page.on('request', (request) => {
    const [from, to] = [page.url(), request.url()].map((text) => new URL(text));
    if (to.protocol.startsWith('http') && ![to.hostname, from.hostname].includes(also) && to.hostname !== '127.0.0.1') troubles.push(`${from} asks ${to}`);
  });
  return page;
}

/// Somebody who has opened their link.
export async function signedIn(who, options = {}) {
  const page = await open(options);
  const { link } = await ask({ do: 'link', ...who });
  await page.goto(link);
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'));
  return page;
}

/// Presses Tab until an element has the focus, as somebody without a mouse does.
export async function tabTo(page, target, key = 'Tab') {
  await target.waitFor();
  for (let step = 0; step < 400; step += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press(key);
  }
  assert.fail(`Tab does not come to ${target}`);
}

/// Comes to an element by Tab and presses Enter.
export async function press(page, target) {
  await tabTo(page, target);
  await page.keyboard.press('Enter');
}

/// Comes to a field by Tab and types.
export async function type(page, target, text) {
  await tabTo(page, target);
  await page.keyboard.type(text);
}

/// Goes by arrow keys to the entry of a list that is somebody's.
export async function entry(page, name) {
  const link = page.getByRole('link', { name, exact: true }).first();
  await link.waitFor();
  const own = page.getByRole('listitem').filter({ has: link }).first();
  const at = () => page.evaluate(() => document.activeElement.closest('[data-entry]')?.dataset.entry);
  let key = 'ArrowDown';
  for (let step = 0; step < 200; step += 1) {
    if (await own.evaluate((element) => element === document.activeElement)) return own;
    const before = await at();
    await page.keyboard.press(key);
    // At the end of the list: the other way.
    if (before && await at() === before) key = key === 'ArrowDown' ? 'ArrowUp' : 'ArrowDown';
  }
  assert.fail(`the arrow keys do not come to ${name}`);
}

/// What somebody who cannot see the page would stumble over.
export async function accessible(page, where) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const serious = found.violations.filter((one) => ['serious', 'critical'].includes(one.impact));
  assert.deepEqual(serious.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`), [], where);
}

/// Whether nothing must be scrolled sideways.
export async function fits(page, where) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth ? [] : [document.documentElement.scrollWidth, ...[...document.querySelectorAll('main *')]
    .filter((element) => element.getBoundingClientRect().right > innerWidth && !element.parentElement.closest('.scroll, pre'))
    .map((element) => element.outerHTML.slice(0, 120))]);
  assert.deepEqual(wide, [], where);
}

/// Ends the journey; what went wrong on any page is told.
export async function end() {
  await browser.close();
  assert.deepEqual(troubles, []);
  process.exit(0);
}

const failed = async (error) => {
  if (!error) return;
  console.error(error);
  let number = 0;
  for (const page of browser.contexts().flatMap((context) => context.pages())) {
    console.error(`at ${page.url()}:\n${await page.locator('body').innerText().catch(() => '')}`);
    if (given.pictures) await page.screenshot({ path: `${given.pictures}/failed-${number}.png`, fullPage: true }).catch(() => {});
    number += 1;
  }
  process.exit(1);
};
process.on('unhandledRejection', failed);
process.on('uncaughtException', failed);
