// Methods of strings, lists and dicts, and the sandbox around them.
#include "tests/text/jinja_support.h"

namespace quarry::jinja {
namespace {

TEST(JinjaMethod, StringsAreCut) {
  constexpr Example kTable[] = {
      {"' a  b '.split() ~ ' a  b '.split(' ')", "['a', 'b']['', 'a', '', 'b', '']"},
      {"' 1 2 3 '.split(none, 1) ~ ' 1 2 3 '.rsplit(none, 1)", "['1', '2 3 '][' 1 2', '3']"},
      {"'a,b,c'.split(',', 1) ~ 'a,b,c'.rsplit(',', 1)", "['a', 'b,c']['a,b', 'c']"},
      {"'a-b'.partition('-') ~ 'a-b'.rpartition('x')", "('a', '-', 'b')('', '', 'a-b')"},
      {"'a\\nb\\r\\nc\\u2028d\\n'.splitlines()", "['a', 'b', 'c', 'd']"},
      {"'a\\n'.splitlines(true)", "['a\\n']"},
      {"' x '.strip() ~ 'xyax'.strip('xy') ~ ' x '.rstrip()", "xa x"},
      {"'a</think>\\n\\nb'.split('</think>')[-1].lstrip('\\n')", "b"},
      {"'abc'.removeprefix('a') ~ 'abc'.removesuffix('c')", "bcab"},
      {"'a'.split('')", "ERROR line 1: ValueError: empty separator"},
  };
  ExpectEvals(kTable);
}

TEST(JinjaMethod, StringsAreSearched) {
  constexpr Example kTable[] = {
      {"['abcabc'.find('c'), 'abcabc'.rfind('c'), 'abc'.find('x'), 'h\xC3\xA9llo'.find('l')]",
       "[2, 5, -1, 2]"},
      {"['abc'.find('', 3), 'abc'.find('', 4), 'abcabc'.find('a', 1), 'aaaa'.count('aa')]",
       "[3, -1, 3, 2]"},
      {"['abc'.startswith(('x', 'a')), 'abc'.endswith('bc'), 'abc'.startswith('b', 1)]",
       "[True, True, True]"},
      {"'abc'.index('x')", "ERROR line 1: ValueError: substring not found"},
      {"['a1'.isalnum(), ''.isalpha(), '\xC2\xB2'.isdigit(), 'Ab'.istitle(), ' '.isspace()]",
       "[True, False, True, True, True]"},
  };
  ExpectEvals(kTable);
}

TEST(JinjaMethod, CaseFollowsUnicode) {
  constexpr Example kTable[] = {
      {"'stra\xC3\x9F"
       "e'.upper()",
       "STRASSE"},
      {"'\xEF\xAC\x81n'.title()", "Fin"},                                    // a ligature
      {"'\xCE\x91\xCE\xA3 \xCE\xA3'.lower()", "\xCE\xB1\xCF\x82 \xCF\x83"},  // final sigma
      {"'\xC4\xB0'.lower()|length", "2"},                                    // capital i with a dot
      {"'\xC3\x9F'.casefold() ~ 'aB'.swapcase()", "ssAb"},
      {"'\xC7\x86'.capitalize()", "\xC7\x85"},  // a letter with its own titlecase
  };
  ExpectEvals(kTable);
}

TEST(JinjaMethod, StringsArePaddedAndReplaced) {
  constexpr Example kTable[] = {
      {"'ab'.center(5) ~ '|' ~ 'a'.ljust(3, '.') ~ 'a'.rjust(3) ~ '-42'.zfill(5)",
       "  ab |a..  a-0042"},
      {"'a\\tb'.expandtabs(4)", "a   b"},
      {"'abc'.replace('', '-', 2) ~ 'aaa'.replace('a', 'b', 1)", "-a-bcbaa"},
      {"'abc'.translate({97: 'x', 98: none, 99: 100})", "xd"},
      {"','.join(['a', 'b']) ~ '-'.join('xy')", "a,bx-y"},
      {"','.join([1])",
       "ERROR line 1: TypeError: sequence item 0: expected str instance, int found"},
  };
  ExpectEvals(kTable);
}

TEST(JinjaMethod, PercentFormats) {
  constexpr Example kTable[] = {
      {"'%s|%5d|%-5d|%05d' % ('a', 1, 2, 3)", "a|    1|2    |00003"},
      {"'%.2f %e %g %x %#o %c %r %%' % (2.345, 12.5, 1e10, 255, 8, 65, 'q')",
       "2.35 1.250000e+01 1e+10 ff 0o10 A 'q' %"},
      {"'%(a)s-%(b)d' % {'a': 1, 'b': 2.9}", "1-2"},
      {"'%.0f %.0f' % (0.5, 1.5)", "0 2"},
      {"'%s' % [1, 2]", "[1, 2]"},
      {"'%s %s' % 'a'", "ERROR line 1: TypeError: not enough arguments for format string"},
      {"'%s' % (1, 2)",
       "ERROR line 1: TypeError: not all arguments converted during string formatting"},
  };
  ExpectEvals(kTable);
}

TEST(JinjaMethod, BraceFormats) {
  constexpr Example kTable[] = {
      {"'{} {}|{1}{0}'.format(1, 2)",
       "ERROR line 1: ValueError: cannot switch from automatic field numbering to manual field "
       "specification"},
      {"'{0[k]}{1.real}{a}{{}}'.format({'k': 1}, 2, a=3)", "123{}"},
      {"'{:>4}|{:<4}|{:^5}|{:*^5}'.format('a', 'b', 'c', 'd')", "   a|b   |  c  |**d**"},
      {"'{:05d}{:+}{:,}{:_}'.format(42, 5, 1234567, 1234567)", "00042+51,234,5671_234_567"},
      {"'{:.2f} {:x} {:#b} {:e} {:.1%}'.format(3.14159, 255, 5, 12345.678, 0.256)",
       "3.14 ff 0b101 1.234568e+04 25.6%"},
      {"'{:.3} {:.3} {:.1} {:08,}'.format('abcdef', 1234.5, 3.0, 1234)",
       "abc 1.23e+03 3e+00 0,001,234"},
      {"'{!r:>5}{:{w}}|'.format('a', 'b', w=3)", "  'a'b  |"},
      {"'{:d}'.format('a')",
       "ERROR line 1: ValueError: Unknown format code 'd' for object of type 'str'"},
  };
  ExpectEvals(kTable);
}

TEST(JinjaMethod, DictsAndLists) {
  constexpr Example kTable[] = {
      {"{'a': 1}.get('a') ~ {'a': 1}.get('x') ~ {}.get('x', 5)", "1None5"},
      {"{'a': 1, 'b': 2}.items()|list", "[('a', 1), ('b', 2)]"},
      {"{'a': 1}.keys() ~ {'a': 1}.values() ~ {'a': 1}.items()",
       "dict_keys(['a'])dict_values([1])dict_items([('a', 1)])"},
      {"[[1, 2, 1].count(1), [1, 2].index(2), (1, 2).index(2), [1].copy()]", "[2, 1, 1, [1]]"},
      {"[1].index(5)", "ERROR line 1: ValueError: 5 is not in list"},
  };
  ExpectEvals(kTable);
}

// What Jinja's immutable sandbox hides reads as undefined, and is an error when called.
TEST(JinjaMethod, TheSandboxHidesWhatChangesThings) {
  constexpr Example kTable[] = {
      {"[].append", ""},
      {"[].append(1)",
       "ERROR line 1: not allowed in the sandbox: access to attribute 'append' of 'list' object is "
       "unsafe."},
      {"{}.update({})",
       "ERROR line 1: not allowed in the sandbox: access to attribute 'update' of 'dict' object is "
       "unsafe."},
      {"''.__class__", ""},
      {"''.__class__.__mro__",
       "ERROR line 1: not allowed in the sandbox: access to attribute '__class__' of 'str' object "
       "is "
       "unsafe."},
      {"'{0.__class__}'.format(1)", ""},
      {"{'_x': 1}._x", "1"},
  };
  ExpectEvals(kTable);
}

}  // namespace
}  // namespace quarry::jinja
