// What a caller learns when a template fails.
#include <string>

#include "tests/text/jinja_support.h"

namespace quarry::jinja {
namespace {

StatusCode CodeOf(std::string_view source) {
  const Result<Template> parsed = Template::Parse(source);
  if (!parsed.ok()) return parsed.status().code();
  return parsed->Render({}).status().code();
}

TEST(JinjaError, NamesTheLineAndTheKind) {
  constexpr Example kTable[] = {
      {"a\nb{{ x.y }}", "ERROR line 2: undefined: 'x' is undefined"},
      {"{% set d = {} %}\n\n{{ d.a.b }}",
       "ERROR line 3: undefined: 'dict object' has no attribute 'a'"},
      {"{{ [][0].b }}", "ERROR line 1: undefined: list object has no element 0"},
      {"{{ none.a.b }}", "ERROR line 1: undefined: 'None' has no attribute 'a'"},
      {"{{ namespace().a.b }}",
       "ERROR line 1: undefined: 'jinja2.utils.Namespace object' has no attribute 'a'"},
      {"{{ x() }}", "ERROR line 1: undefined: 'x' is undefined"},
      {"{{ x + 1 }}", "ERROR line 1: undefined: 'x' is undefined"},
      {"{% macro m(a) %}{{ a.b }}{% endmacro %}\n{{ m() }}",
       "ERROR line 1: undefined: parameter 'a' was not provided"},
      {"{{\n1 +\n'a' }}",
       "ERROR line 2: TypeError: unsupported operand type(s) for +: 'int' and 'str'"},
  };
  ExpectRenders(kTable);
}

TEST(JinjaError, RaiseExceptionIsPassedOnInOneLine) {
  EXPECT_EQ(Eval("raise_exception('No way')"), "ERROR line 1: raise_exception: No way");
  EXPECT_EQ(Eval("raise_exception('a\\nb')"), "ERROR line 1: raise_exception: a\\nb");
  EXPECT_EQ(Eval("false and raise_exception('x')"), "False");
}

TEST(JinjaError, CodesTellWhoseFaultItIs) {
  EXPECT_EQ(CodeOf("{{ raise_exception('x') }}"), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf("{{ x.y }}"), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf("{% if %}"), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf("{% include 'x' %}"), StatusCode::kUnsupported);
  EXPECT_EQ(CodeOf("{{ lipsum() }}"), StatusCode::kUnsupported);
  EXPECT_EQ(CodeOf("{{ [0] * 10 ** 9 }}"), StatusCode::kOutOfMemory);
  EXPECT_EQ(
      CodeOf("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"),
      StatusCode::kInvalidArgument);
}

TEST(JinjaError, ArgumentsMustBeObjects) {
  EXPECT_EQ(Render("x", "[1]"), "ERROR arguments: TypeError: JSON of type list, must be an object");
  EXPECT_TRUE(Render("x", "{\"a\": }").starts_with("ERROR arguments: ValueError: byte 7: "));
  EXPECT_TRUE(Render("x", "{\"a\": \"\\ud800\"}").starts_with("ERROR arguments: ValueError: "));
  EXPECT_TRUE(Render("x", "{\"a\": \"\xFF\"}").starts_with("ERROR arguments: ValueError: "));
}

TEST(JinjaError, TemplatesMustBeUtf8) {
  EXPECT_EQ(Render("ab\xFF"), "ERROR template is not valid UTF-8 at byte 2");
}

// Printing and testing what is undefined is fine; that is what `default` and `is defined` rest on.
TEST(JinjaError, UndefinedValuesMayBePrintedTestedAndWalkedOver) {
  EXPECT_EQ(Eval("x ~ x.y is defined ~ x"), "ERROR line 1: undefined: 'x' is undefined");
  EXPECT_EQ(Render("{{ x }}{% for a in x %}{% endfor %}{% if x %}{% endif %}{{ x|default('d') }}"),
            "d");
}

}  // namespace
}  // namespace quarry::jinja
