import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { vi } from 'vitest';
import { TASK_QUEUE } from '../../src/names.js';

/** Ends a wait for something that the page does by itself. */
const PAGE_MS = 30_000;
/** Ends a wait for something that a migration does. */
const PATIENCE_MS = 180_000;
const POLL_MS = 250;
/** Each time the worker asks the servers, and the UI draws the details anew. */
const READ_AGAIN_MS = 2_000;
/** A form that holds what it should for so long keeps it. */
const SETTLED_MS = 1_000;
const WIDTH = 1280;
const HEIGHT = 900;

/** The page has it twice: one is for narrow windows. */
const UPDATE_FORM = '#update-confirmation-modal[open]';
const DIALOG = `document.querySelector('${UPDATE_FORM}')`;
const UPDATE_PAYLOAD = `${UPDATE_FORM} [data-language="json"]`;
/** Which message is chosen there, and what goes with it. */
const CHOSEN = `document.querySelector('${UPDATE_FORM} [data-testid="update-select"]').value`;
const TYPED = `document.querySelector('${UPDATE_PAYLOAD}').innerText`;
/** What an update's form says against what is in it; the places for that are there all the time, and empty. */
const ALERT = `[...(${DIALOG}?.querySelectorAll('[role="alert"]') ?? [])].map((each) => each.textContent.trim()).find((text) => text !== '')`;
/** The documents within the page: the UI renders Markdown into them. One that is being loaded has no body yet. */
const FRAMES = `[...document.querySelectorAll('iframe')].flatMap((frame) => frame.contentDocument ?? [])`;
/** Whether they are all there, and none is being measured for its height. */
const RENDERED = `${FRAMES}.every((page) =>
  page.defaultView.innerHeight > (page.querySelector('main')?.offsetHeight ?? Infinity))`;

/** What the form "Start Workflow" is filled in with. */
export interface Start {
  readonly workflowId: string;
  readonly workflowType: string;
  readonly input: object;
}

/** Temporal's UI in a browser, used as a person uses it: by its labels, buttons and tabs. */
export class UiPage {
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #url: string;

  private constructor(browser: Browser, page: Page, url: string) {
    this.#browser = browser;
    this.#page = page;
    this.#url = url;
  }

  /**
   * @param program path of a Chrome or Chromium.
   * @param url of the UI.
   */
  static async open(program: string, url: string): Promise<UiPage> {
    const browser = await puppeteer.launch({
      executablePath: program,
      headless: 'shell',
      // Chrome's sandbox does not work for root, nor in many containers; it shows nothing but the UI started here.
      args: ['--no-sandbox', '--disable-gpu'],
      defaultViewport: { width: WIDTH, height: HEIGHT },
    });
    const [page = await browser.newPage()] = await browser.pages();
    page.setDefaultTimeout(PAGE_MS);
    await page.emulateTimezone('UTC');
    const ui = new UiPage(browser, page, url);
    await page.goto(`${url}/namespaces/default/workflows`);
    // What it names is not used here, and the rest gets more room.
    await ui.#named('Collapse Navigation', 'button').click();
    return ui;
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  /** Fills in the form "Start Workflow", which says then whether it sees a worker. */
  async fillStart({ workflowId, workflowType, input }: Start): Promise<void> {
    await this.#page.goto(`${this.#url}/namespaces/default/workflows/start-workflow`);
    await this.#named('Workflow ID', 'textbox').fill(workflowId);
    await this.#named('Task Queue', 'textbox').fill(TASK_QUEUE);
    await this.#named('Workflow Type', 'textbox').fill(workflowType);
    await this.#type('[data-language="json"]', JSON.stringify(input, null, 2));
    await this.#page.locator('::-p-text(Task Queue is Active)').wait();
  }

  /** Sends it, and follows the link to the workflow's page that the UI shows for some seconds. */
  async start(): Promise<void> {
    await this.#named('Start Workflow', 'button').click();
    await this.#named('Workflow started successfully', 'link').click();
    await this.#page.locator('[data-testid="workflow-id-heading"]').wait();
  }

  /** Opens a tab of the workflow's page. */
  async openTab(name: 'pending-activities' | 'relationships' | 'user-metadata'): Promise<void> {
    await this.#page.locator(`[data-testid="${name}-tab"]`).click();
  }

  /** Opens the page of a collection by its link in the details of its group. */
  async follow(namespace: string): Promise<void> {
    const name = JSON.stringify(namespace);
    const link = await this.#evaluate<string | undefined>(
      `${FRAMES}.flatMap(({ links }) => [...links]).find((link) => link.textContent === ${name})?.href`,
    );
    if (link === undefined) throw new Error(`the details have no link named ${namespace}`);
    await this.#page.goto(link);
    await this.#page.locator('[data-testid="workflow-id-heading"]').wait();
  }

  /** Has the details read again until they say something. @returns their text. */
  async untilDetails(what: RegExp): Promise<string> {
    await this.openTab('user-metadata');
    const read = async () => {
      await this.#page.keyboard.press('r');
      return this.#details();
    };
    return this.#until(what, read, READ_AGAIN_MS);
  }

  /** Waits until the page, without the details, says something. @returns its text. */
  async untilText(what: RegExp): Promise<string> {
    return this.#until(what, () => this.#text());
  }

  /**
   * Fills in the form "Send an Update", and again until it holds what it should: the page begins it anew, with another name
   * and no payload, each time it has read the workflow again.
   */
  async fillUpdate(name: string, payload: object): Promise<void> {
    const json = JSON.stringify(payload, null, 2);
    let filled: string[] = [];
    const isFilled = async () => {
      await this.#named('More Actions', 'button').click();
      await this.#named('Send an Update', 'menuitem').click();
      await this.#page.locator(`${UPDATE_FORM} [data-testid="update-select-button"]`).click();
      // Below the name stands what the message does.
      const option = `//dialog[@open]//li[@role="option"][.//span[normalize-space()="${name}"]]`;
      await this.#page.locator(`::-p-xpath(${option})`).click();
      await this.#type(UPDATE_PAYLOAD, json);
      await setTimeout(SETTLED_MS);
      filled = [await this.#evaluate<string>(CHOSEN), await this.#evaluate<string>(TYPED)];
      if (filled[0] === name && filled[1] === json) return true;
      await this.cancelUpdate();
      return false;
    };
    await vi.waitUntil(isFilled, { timeout: PATIENCE_MS, interval: POLL_MS }).catch((cause) => {
      throw new Error(`the form of ${name} holds ${JSON.stringify(filled)}`, { cause });
    });
  }

  /** Sends it, and waits for the answer: nothing when it is accepted, and else why it is refused. */
  async sendUpdate(): Promise<string | undefined> {
    await this.#page.locator(`${UPDATE_FORM} [data-testid="confirm-modal-button"]`).click();
    let refused: string | undefined;
    const isAnswered = async () => {
      refused = await this.#evaluate<string | undefined>(ALERT);
      return refused !== undefined || (await this.#evaluate<boolean>(`${DIALOG} === null`));
    };
    await vi.waitUntil(isAnswered, { timeout: PATIENCE_MS, interval: POLL_MS });
    return refused;
  }

  /** Leaves the form as it is. */
  async cancelUpdate(): Promise<void> {
    await this.#page.locator(`${UPDATE_FORM} [data-testid="cancel-modal-button"]`).click();
  }

  /** A screenshot as PNG, as high as is said. */
  async picture(path: string, height = HEIGHT): Promise<void> {
    await this.#page.setViewport({ width: WIDTH, height });
    // The keys that were pressed have left a frame around what they went to.
    await this.#evaluate('document.activeElement?.blur()');
    await this.#page.waitForFunction(RENDERED, { polling: POLL_MS });
    await this.#page.screenshot({ path });
    await this.#page.setViewport({ width: WIDTH, height: HEIGHT });
  }

  /** Saves what the browser shows now. @returns the folder. */
  async save(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'csm-ui-'));
    await this.picture(join(folder, 'page.png'));
    const text = `${this.#page.url()}\n\n${await this.#text()}\n\n${await this.#details()}\n`;
    await writeFile(join(folder, 'page.txt'), text);
    return folder;
  }

  #named(name: string, role: 'button' | 'link' | 'menuitem' | 'textbox') {
    return this.#page.locator(`::-p-aria([name="${name}"][role="${role}"])`);
  }

  /** In place of what is there: a form that was left keeps it. As a whole, for brackets that are typed are completed. */
  async #type(editor: string, text: string): Promise<void> {
    await this.#page.locator(editor).click();
    await this.#page.keyboard.press('KeyA', { commands: ['SelectAll'] });
    await this.#page.keyboard.sendCharacter(text);
  }

  async #text(): Promise<string> {
    return this.#evaluate<string>('document.body.innerText');
  }

  async #details(): Promise<string> {
    return this.#evaluate<string>(`${FRAMES}.map(({ body }) => body?.innerText ?? '').join('\\n')`);
  }

  /** As text: the types of a browser would come into the types of everything else. */
  async #evaluate<T>(expression: string): Promise<T> {
    return (await this.#page.evaluate(expression)) as T;
  }

  async #until(what: RegExp, read: () => Promise<string>, interval = POLL_MS): Promise<string> {
    let text = '';
    const look = async () => {
      text = await read();
      return what.test(text);
    };
    await vi.waitUntil(look, { timeout: PATIENCE_MS, interval }).catch((cause: unknown) => {
      throw new Error(`waited for ${String(what)}; the page says:\n${text}`, { cause });
    });
    return text;
  }
}
