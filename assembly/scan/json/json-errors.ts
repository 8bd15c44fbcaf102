// The reasons why a body is refused. Each has a stable code and a sentence for the 400. Counters and tests use the codes, so append
// new codes and never renumber.

/** The byte order mark or the NULs show UTF-16 or UTF-32. Python's json reads these encodings; the scanner does not. */
export const ERROR_ENCODING = 1;
export const ERROR_EMPTY = 2;
export const ERROR_NOT_OBJECT = 3;
export const ERROR_UNEXPECTED_END = 4;
export const ERROR_EXPECTED_KEY = 5;
export const ERROR_EXPECTED_COLON = 6;
export const ERROR_EXPECTED_VALUE = 7;
export const ERROR_EXPECTED_COMMA = 8;
export const ERROR_TRAILING_COMMA = 9;
export const ERROR_TRAILING_BYTES = 10;
export const ERROR_LITERAL = 11;
export const ERROR_NUMBER = 12;
/** Python refuses to convert integers of more than 4300 digits. */
export const ERROR_INTEGER_DIGITS = 13;
export const ERROR_CONTROL = 14;
export const ERROR_ESCAPE = 15;
export const ERROR_UTF8 = 16;
export const ERROR_DEPTH = 17;
export const ERROR_DUPLICATE = 18;
export const ERROR_TOO_LARGE = 19;

export function errorSentence(code: i32): string {
  switch (code) {
    case ERROR_ENCODING:
      return "the body is UTF-16 or UTF-32; send UTF-8";
    case ERROR_EMPTY:
      return "the body is empty; a JSON object is expected";
    case ERROR_NOT_OBJECT:
      return "the body is not a JSON object";
    case ERROR_UNEXPECTED_END:
      return "the body ends inside the JSON object";
    case ERROR_EXPECTED_KEY:
      return "a key in double quotes is expected";
    case ERROR_EXPECTED_COLON:
      return "':' is expected after a key";
    case ERROR_EXPECTED_VALUE:
      return "a value is expected";
    case ERROR_EXPECTED_COMMA:
      return "',' or a closing bracket is expected after a value";
    case ERROR_TRAILING_COMMA:
      return "',' comes before a closing bracket";
    case ERROR_TRAILING_BYTES:
      return "bytes follow the JSON object";
    case ERROR_LITERAL:
      return "a literal is none of true, false, null, NaN, Infinity and -Infinity";
    case ERROR_NUMBER:
      return "a number is not in JSON's form";
    case ERROR_INTEGER_DIGITS:
      return "an integer has more than 4300 digits";
    case ERROR_CONTROL:
      return "a control character in a string must be escaped";
    case ERROR_ESCAPE:
      return "an escape is not one of JSON's";
    case ERROR_UTF8:
      return "a string holds bytes that are not UTF-8";
    case ERROR_DEPTH:
      return "objects and arrays are nested too deeply";
    case ERROR_DUPLICATE:
      return "a key that may be there once is there twice";
    case ERROR_TOO_LARGE:
      return "the body is larger than 4 GiB";
    default:
      return "the body is not valid JSON";
  }
}
