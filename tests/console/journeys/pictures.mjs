// A picture of every page, at a desk's width; the desk on a telephone and in the dark too.
import { end, given, open, signedIn } from './lib.mjs';

const language = given.language;
const label = language === 'ru' ? 'Анна Демидова' : 'Anna Demidova';
const shot = async (page, name) => {
  await page.waitForLoadState();
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: `${given.folder}/${name}-${language}.png`, animations: 'disabled' });
};
const page = await signedIn({ label, roles: ['administrator', 'network_manager'] }, { language });
const go = (path) => page.goto(new URL(path, page.url()).href);
await go(`/desk/${given.branch}`);
await page.getByRole('listitem').first().waitFor();
await shot(page, 'desk');
await page.setViewportSize({ width: 390, height: 844 });
await page.emulateMedia({ colorScheme: 'dark' });
await shot(page, 'desk-telephone');
await page.setViewportSize({ width: 1280, height: 900 });
await page.emulateMedia({ colorScheme: 'light' });
for (const [name, path] of [
  ['patient', `/patients/${given.patient}`], ['find', `/find?q=${encodeURIComponent(given.name)}`],
  ['elsewhere', `/elsewhere?need=${encodeURIComponent(given.need)}`], ['feedback', '/feedback'], ['feedback-others', '/feedback/others'],
  ['network', '/network'], ['regulator', '/regulator'], ['case', `/regulator/cases/${given.case}`],
]) {
  await go(path);
  await shot(page, name);
}
const stranger = await open({ language });
await stranger.goto(new URL('/sign-in', page.url()).href);
await shot(stranger, 'sign-in');
await end();
