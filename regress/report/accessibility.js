// Looks at reports as a browser shows them: axe-core must find no violation, in
// light and in dark, and nothing may be asked from the network.
//
//   node accessibility.js BROWSER FOLDER FILE.html ...
//
// FOLDER has node_modules with axe-core and playwright-core; screenshots and PDF
// go there too.
'use strict';

const path = require('path');
const {createRequire} = require('module');

const [browserPath, folder, ...files] = process.argv.slice(2);
const wanted = createRequire(path.join(path.resolve(folder), 'x.js'));
const {chromium} = wanted('playwright-core');
const axePath = wanted.resolve('axe-core/axe.min.js');

async function look(browser, file, colorScheme)
{
	const page = await browser.newPage({colorScheme, viewport: {width: 1100, height: 900}});
	const asked = [];

	page.on('request', (request) => { if (!request.url().startsWith('file:')) asked.push(request.url()); });
	await page.goto('file://' + path.resolve(file));
	const shown = path.basename(file, '.html') + '-' + colorScheme;
	await page.screenshot({path: path.join(folder, shown + '.png'), fullPage: true});
	if (colorScheme === 'light')
		await page.pdf({path: path.join(folder, path.basename(file, '.html') + '.pdf'), preferCSSPageSize: true});
	await page.addScriptTag({path: axePath});
	const result = await page.evaluate(() => window.axe.run(document));
	const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	await page.close();
	for (const violation of result.violations)
		console.log(`${shown}: ${violation.id}: ${violation.help}\n  ` +
			violation.nodes.slice(0, 5).map((node) => node.html.slice(0, 160)).join('\n  '));
	console.log(`${shown}: ${result.violations.length} violations, ${result.passes.length} rules passed, ` +
		`background ${background}, ${asked.length} requests`);
	return result.violations.length + asked.length + (result.passes.length > 20 ? 0 : 1);
}

(async () =>
{
	const browser = await chromium.launch({executablePath: browserPath, args: ['--no-sandbox']});
	let bad = 0;

	for (const file of files)
		for (const colorScheme of ['light', 'dark'])
			bad += await look(browser, file, colorScheme);
	await browser.close();
	process.exit(bad === 0 ? 0 : 1);
})().catch((error) => { console.error(error); process.exit(2); });
