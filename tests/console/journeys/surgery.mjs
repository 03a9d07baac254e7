// Two who were operated on: whoever was told that we would call is on the list when it is time; whoever was not is left alone, with the reason.
import { ask, end, entry, given, signedIn } from './lib.mjs';
import { words } from './words.mjs';

const language = given.language, w = words[language];
const page = await signedIn({ label: 'Anna', roles: ['administrator'], branches: ['north'] }, { language });
const region = (title) => page.getByRole('region', { name: title });
await region(w.announce).getByRole('link', { name: given.told, exact: true }).waitFor();
await region(w.announce).getByRole('link', { name: given.untold, exact: true }).waitFor();
await entry(page, given.told);
await page.keyboard.press('KeyT');
await region(w.announce).getByRole('link', { name: given.told, exact: true }).waitFor({ state: 'detached' });
await ask({ do: 'clock', to: given.later });
const again = await signedIn({ label: 'Anna', roles: ['administrator'], branches: ['north'] }, { language });
const now = (title) => again.getByRole('region', { name: title });
await now(w.due).getByRole('listitem').filter({ hasText: given.told }).getByText(w.surgery).waitFor();
await now(w.blocked).getByRole('listitem').filter({ hasText: given.untold }).getByText(w.notAnnounced).waitFor();
await end();
