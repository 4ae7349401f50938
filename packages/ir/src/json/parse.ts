import { PlacewrightError, visible } from '../errors.js';

/** What an error says of a text that is not JSON. */
export interface JsonFault {
  readonly code: string;
  /** What the text was to be: `the options are not JSON`. */
  readonly message: string;
  readonly hint: string;
  readonly file?: string;
}

/** The value of a JSON text, which may begin with a byte order mark. Throws an error of the code given. */
export function parseJson(text: string, { code, message, hint, file }: JsonFault): unknown {
  try {
    return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text);
  } catch (cause) {
    // The engine's own words quote the text, with whatever a terminal would obey.
    const why = visible(cause instanceof Error ? cause.message : String(cause));
    const where = file === undefined ? {} : { file };
    throw new PlacewrightError(code, `${message}: ${why}`, { where, hint, cause });
  }
}
