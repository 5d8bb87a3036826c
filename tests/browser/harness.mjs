// SPDX-License-Identifier: GPL-2.0-or-later
/* Tests in a headless browser, told in the Test Anything Protocol. One browser serves them all. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const memleak = path.join(root, "memleak-bpf");
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "memleak-browser-"));
const tests = [];
let browser;

export function test(name, run) {
	tests.push({ name, run });
}

/* A file of the test's folder. */
export function file(name) {
	return path.join(scratch, name);
}

export function report(...options) {
	execFileSync(memleak, ["report", "--output", file("report.txt"), ...options]);
}

export function diff(...options) {
	execFileSync(memleak, ["diff", "--output", file("report.txt"), ...options]);
}

/* Write one of the profiles of profiles.c, and its page and picture. */
export function makeProfile(which) {
	const name = file(which + ".pb.gz");
	if (!fs.existsSync(name)) {
		execFileSync(path.join(root, "build/tests/browser/profiles"), [which, name]);
		report("-w", file(which + ".html"), "-w", file(which + ".svg"), name);
	}
	return name;
}

/*
 * Open a file and hand the page to @use. Whatever should not happen on any page fails the test: an
 * error, a message on the console, a dialog, a request for something else than the file.
 */
export async function open(name, use, options = {}) {
	const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
	const page = await context.newPage();
	page.setDefaultTimeout(5000);
	const wrong = [];
	page.on("pageerror", (e) => wrong.push("error: " + e.stack));
	page.on("console", (m) => wrong.push("console: " + m.text()));
	page.on("request", (r) => r.url() === "file://" + file(name) || wrong.push("request: " + r.url()));
	page.on("dialog", (d) => {
		wrong.push("dialog: " + d.message());
		d.dismiss();
	});
	try {
		await page.goto("file://" + file(name));
		const result = await use(page);
		assert.deepEqual(wrong, []);
		if (process.env.SCREENSHOTS)
			await page.screenshot({ path: path.join(process.env.SCREENSHOTS, options.shot || name + ".png") });
		return result;
	} finally {
		await context.close();
	}
}

/* Wait until @condition holds, at most five seconds. */
export async function until(page, condition, argument) {
	await page.waitForFunction(condition, argument, { timeout: 5000 });
}

export async function run() {
	let failed = 0;
	console.log("1.." + tests.length);
	try {
		browser = await chromium.launch({
			executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
			args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
				"--disable-background-networking", "--disable-component-update", "--disable-sync"],
		});
		for (const [i, { name, run }] of tests.entries()) {
			try {
				await run();
				console.log(`ok ${i + 1} - ${name}`);
			} catch (e) {
				failed++;
				console.log(`not ok ${i + 1} - ${name}`);
				console.log(String(e.stack || e).replace(/^/gm, "# "));
			}
		}
	} finally {
		await browser?.close();
		fs.rmSync(scratch, { recursive: true, force: true });
	}
	process.exitCode = failed ? 1 : 0;
}
