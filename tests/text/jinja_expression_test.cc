// Operators, literals, subscripts and comparisons.
#include "tests/text/jinja_support.h"

namespace quarry::jinja {
namespace {

constexpr const char* kContext = R"({
  "s": "Hello World", "u": "h\u00e9llo", "emoji": "a\ud83d\ude00b", "n": 5, "l": [3, 1, 2],
  "d": {"b": 1, "a": {"c": [1, 2]}, "items": 7}, "z": null, "big": 123456789012345678901234567890})";

TEST(JinjaExpression, Literals) {
  constexpr Example kTable[] = {
      {"1_000 ~ ' ' ~ 0x1F ~ ' ' ~ 0b101 ~ ' ' ~ 0o17 ~ ' ' ~ 1.5e-3", "1000 31 5 15 0.0015"},
      {R"('\x41\u00e9\U0001F600\101\n\\\'\d')",
       "A\xC3\xA9\xF0\x9F\x98\x80"
       "A\n\\'\\d"},
      {"'a' 'b' \"c\"", "abc"},
      {"[1, 'a', none, True, 2.0, (1,), {'k': []}]", "[1, 'a', None, True, 2.0, (1,), {'k': []}]"},
      {"[\"it's\", 'both \\' and \"', '\\x00\\x7f\\xa0']",
       "[\"it's\", 'both \\' and \"', '\\x00\\x7f\\xa0']"},
      {"{1: 2, true: 3, 1.0: 4}", "{1: 4}"},
      {"1,", "(1,)"},
      {"'\\ud83d'",
       "ERROR line 1: syntax error: \\ud83d is half of a surrogate pair; write \\U and the "
       "character's number"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaExpression, Arithmetic) {
  constexpr Example kTable[] = {
      {"2 ** 3 ** 2", "64"},  // Jinja groups powers to the left
      {"-2 ** 2", "4"},
      {"[-7 // 2, -7 % 3, 7 % -3, -7.5 % 2]", "[-4, 2, -2, 0.5]"},
      {"[1 / 2, 4 / 2, 7 // 2.0]", "[0.5, 2.0, 3.0]"},
      {"[true + 1, 'ab' * 2, [1] * 2, (1,) + (2,)]", "[2, 'abab', [1, 1], (1, 2)]"},
      {"2 * 3 ~ 4", "64"},
      {"2 ~ 3 + 1", "ERROR line 1: TypeError: can only concatenate str (not \"int\") to str"},
      {"1 / 0", "ERROR line 1: ZeroDivisionError: division by zero"},
      {"'a' - 'b'", "ERROR line 1: TypeError: unsupported operand type(s) for -: 'str' and 'str'"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaExpression, IntegersGrow) {
  constexpr Example kTable[] = {
      {"9223372036854775807 + 1", "9223372036854775808"},
      {"-9223372036854775808 // -1", "9223372036854775808"},
      {"2 ** 100", "1267650600228229401496703205376"},
      {"big + 1", "123456789012345678901234567891"},
      {"[big // 7, big % 7, -big // 7, -big % 7]",
       "[17636684144620811271604938270, 0, -17636684144620811271604938270, 0]"},
      {"10 ** 20 / 10 ** 18", "100.0"},
      {"2 ** 53 + 1 == 2.0 ** 53", "False"},  // compared exactly
      {"2 ** 63 > 9.2e18", "True"},
  };
  ExpectEvals(kTable, kContext);
  EXPECT_TRUE(Eval("10 ** 5000").starts_with("ERROR line 1: OverflowError: an integer of "));
}

TEST(JinjaExpression, FloatsPrintAsPythonsDo) {
  constexpr Example kTable[] = {
      {"[1.0, 0.1 + 0.2, 1e15, 1e16, 1e-4, 1e-5, -0.0]",
       "[1.0, 0.30000000000000004, 1000000000000000.0, 1e+16, 0.0001, 1e-05, -0.0]"},
      {"[5e-324, 1.7976931348623157e308, 'inf'|float, '-inf'|float]",
       "[5e-324, 1.7976931348623157e+308, inf, -inf]"},
  };
  ExpectEvals(kTable);
}

TEST(JinjaExpression, ComparisonsChainAndLogicReturnsItsOperands) {
  constexpr Example kTable[] = {
      {"[1 < 2 < 3, 1 < 3 < 2, 1 == 1.0 == true]", "[True, False, True]"},
      {"[1 and 0, 0 or 'x', '' or none, not '']", "[0, 'x', None, True]"},
      {"[not 1 == 2, 1 in [1] == true]", "[True, False]"},
      {"['b' in d, 4 not in l, '' in '', 1 in (1, 2)]", "[True, True, True, True]"},
      {"[[1, 2] < [1, 3], (1, 2) == [1, 2], none == none]", "[True, False, True]"},
      {"[undef == undef, undef == none, undef in l]", "[True, False, False]"},
      {"'x' if 1 else 'y'", "x"},
      {"('x' if 0) is defined", "False"},
      {"1 if false else 2 if false else 3", "3"},
      {"'a' < 1",
       "ERROR line 1: TypeError: '<' not supported between instances of 'str' and 'int'"},
      {"1 in 'a'",
       "ERROR line 1: TypeError: 'in <string>' requires string as left operand, not int"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaExpression, SubscriptsAndSlicesCountCharacters) {
  constexpr Example kTable[] = {
      {"[s[0], s[-1], u[1], emoji[1], emoji|length]", "['H', 'd', 'é', '\xF0\x9F\x98\x80', 3]"},
      {"[s[1:3], s[::-1], s[5:1:-1], u[1:4], emoji[::-1], s[-100:2]]",
       "['el', 'dlroW olleH', ' oll', 'éll', 'b\xF0\x9F\x98\x80"
       "a', 'He']"},
      {"[l[-1], l[1:], l[::-1], (1, 2, 3)[1:], range(10)[2:8:2]]",
       "[2, [1, 2], [2, 1, 3], (2, 3), range(2, 8, 2)]"},
      {"[l[5] is defined, s[100] is defined, d['x'] is defined, z.a is defined]",
       "[False, False, False, False]"},
      {"[d.b, d['b'], d.a.c[1], d.a.c.1, s['upper']()]", "[1, 1, 2, 2, 'HELLO WORLD']"},
      {"d['items']", "7"},              // a subscript finds the key first
      {"d.items is callable", "True"},  // a dot the method
      {"s[::0]", "ERROR line 1: ValueError: slice step cannot be zero"},
      {"n[0:1]", "ERROR line 1: TypeError: 'int' object is not subscriptable"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaExpression, CallsTakeStarsAndKeywords) {
  constexpr Example kTable[] = {
      {"range(*[1, 4])|list", "[1, 2, 3]"},
      {"dict(a=1, **{'b': 2})", "{'a': 1, 'b': 2}"},
      {"s.replace(*['o', '0'])", "Hell0 W0rld"},
      {"dict(**l)", "ERROR line 1: TypeError: argument after ** must be a mapping, not list"},
      {"s()", "ERROR line 1: TypeError: 'str' object is not callable"},
      {"dict(a=1, a=2)", "ERROR line 1: syntax error: keyword argument repeated: a"},
  };
  ExpectEvals(kTable, kContext);
}

TEST(JinjaExpression, TestsBindTighterThanComparisons) {
  constexpr Example kTable[] = {
      {"-1|abs", "1"},
      {"n is number and s is string", "True"},
      {"s|length is odd", "True"},
      {"9 is divisibleby 3", "True"},
      {"not s is string", "False"},
      {"l is sequence and l is not mapping", "True"},
      {"[undef is sequence, undef is callable, undef is iterable]", "[True, True, True]"},
      {"[1 is sameas true, true is sameas true, 1 is eq 1.0]", "[False, True, True]"},
      {"['upper' is filter, 'nope' is filter, 'odd' is test]", "[True, False, True]"},
      {"n is odd is even", "ERROR line 1: syntax error: You cannot chain multiple tests with is"},
      {"n is nope", "ERROR line 1: syntax error: No test named 'nope'."},
  };
  ExpectEvals(kTable, kContext);
}

}  // namespace
}  // namespace quarry::jinja
