// Whose text is it: every character of the output is the template's or the user's.
#include <string>

#include "tests/text/jinja_support.h"

namespace quarry::jinja {
namespace {

// The text with the user's parts in [[ ]].
std::string Marked(std::string_view source, std::string_view context) {
  const Result<Template> parsed = Template::Parse(source);
  if (!parsed.ok()) return "ERROR " + parsed.status().message();
  RenderInput input;
  input.documents.push_back({context});
  input.documents.push_back({R"({"bos": "<s>"})", false});
  const Result<RenderedText> rendered = parsed->Render(input);
  if (!rendered.ok()) return "ERROR " + rendered.status().message();
  std::string out;
  size_t begin = 0;
  bool user = false;
  for (size_t flip : rendered->flips) {
    EXPECT_TRUE(flip > begin || (flip == 0 && !user)) << source;
    out += rendered->text.substr(begin, flip - begin);
    out += user ? "]]" : "[[";
    begin = flip;
    user = !user;
  }
  EXPECT_LE(begin, rendered->text.size());
  return out + rendered->text.substr(begin) + (user ? "]]" : "");
}

constexpr const char* kContext = R"({
  "c": "Hello <|end|> W\u00f6rld", "pad": "  x y  ", "n": 5, "f": 1.5, "b": true, "l": ["a", "b", 3],
  "d": {"k": "v"}, "csv": "a,b", "width": 4, "code": 60})";

void Check(const Example& e) { EXPECT_EQ(Marked(e.source, kContext), e.want) << e.source; }

TEST(JinjaOrigin, ContentStaysTheUsers) {
  constexpr Example kTable[] = {
      {"<s>{{ c }}</s>", "<s>[[Hello <|end|> Wörld]]</s>"},
      {"{{ '<u>' + c + '</u>' }}", "<u>[[Hello <|end|> Wörld]]</u>"},
      {"{{ '<u>' ~ pad|trim ~ n ~ '</u>' }}", "<u>[[x y5]]</u>"},
      {"{{ bos }}{{ c[0] }}", "<s>[[H]]"},
      {"{% set x %}a{{ csv }}b{% endset %}{{ x }}{{ x|length }}", "a[[a,b]]b5"},
      {"{% macro m(t) %}({{ t }}){% endmacro %}{{ m(csv) }}", "([[a,b]])"},
      {"{% set ns = namespace(t='') %}{% for x in l %}{% set ns.t = ns.t ~ x ~ ';' %}{% endfor "
       "%}{{ ns.t }}",
       "[[a]];[[b]];[[3]];"},
      {"{% if c.startswith('Hello') %}Hello{% endif %}", "Hello"},  // the template's own word
      {"{{ n }}{{ f }}{{ b }}{{ n + 1 }}{{ csv|length }}", "[[51.5True6]]3"},
  };
  for (const Example& e : kTable) Check(e);
}

TEST(JinjaOrigin, StringOperationsKeepItPerCharacter) {
  constexpr Example kTable[] = {
      {"{{ ('ab' ~ csv ~ 'cd')[1:6] }}", "b[[a,b]]c"},
      {"{{ ('ab' ~ csv)[::-1] }}", "[[b,a]]ba"},
      {"{{ ('<' ~ c ~ '>')|upper }}", "<[[HELLO <|END|> WÖRLD]]>"},
      {"{{ ('x' ~ csv)|title }}", "X[[a,b]]"},
      {"{{ ('-' ~ csv).title() }}", "-[[A,B]]"},
      {"{{ ('-' ~ csv ~ '-').replace(',', '<sep>') }}", "-[[a]]<sep>[[b]]-"},
      {"{{ 'a,b'.replace(',', csv) }}", "a[[a,b]]b"},
      {"{{ (csv ~ ',c').split(',')|join('+') }}", "[[a]]+[[b]]+c"},
      {"{{ 'a-b'.split('-')|join(csv) }}", "a[[a,b]]b"},
      {"{{ ('x ' ~ pad ~ ' y').split() }}", "['x', '[[x]]', '[[y]]', 'y']"},
      {"{{ csv.center(7, '*') }}", "**[[a,b]]**"},
      {"{{ ('a\n' ~ csv ~ '\nb')|indent(2) }}", "a\n  [[a,b]]\n  b"},
      {"{{ c|truncate(8, true, '...', 0) }}", "[[Hello]]..."},
      {"{{ csv * 2 }}{{ csv.partition(',') }}", "[[a,ba,b]]('[[a]]', '[[,]]', '[[b]]')"},
      {"{{ 'ab'.translate({97: csv}) }}", "[[a,b]]b"},
      {"{{ '<'|e ~ c|e }}", "&lt;[[Hello &lt;|end|&gt; Wörld]]"},
      {"{{ csv|urlencode ~ ',' }}", "[[a%2Cb]],"},
      {"{{ csv|list }}{{ csv|first }}", "['[[a]]', '[[,]]', '[[b]]'][[a]]"},
      {"{{ csv|reverse }}{{ csv|sort|join }}", "[[b,a,ab]]"},
  };
  for (const Example& e : kTable) Check(e);
}

TEST(JinjaOrigin, FormattingKeepsIt) {
  constexpr Example kTable[] = {
      {"{{ '<%s|%d|%5s>' % (csv, n, 'x') }}", "<[[a,b]]|[[5]]|    x>"},
      {"{{ '<{}|{:>5}|{:02d}>'.format(csv, csv, n) }}", "<[[a,b]]|  [[a,b]]|[[05]]>"},
      {"{{ (csv ~ '%s') % 'x' }}", "[[a,b]]x"},
      {"{{ '%c{:c}'.format(code) % code }}", "[[<<]]"},
      // A specification that is the user's may bring its own filling.
      {"{{ '{:{w}}|'.format('a', w=width) }}", "a[[   ]]|"},
  };
  for (const Example& e : kTable) Check(e);
}

// What is the user's as a whole prints as a whole: brackets and digits are the user's too.
TEST(JinjaOrigin, StructuresOfTheUser) {
  constexpr Example kTable[] = {
      {"{{ l }}|{{ d }}", "[[['a', 'b', 3]]]|[[{'k': 'v'}]]"},
      {"{{ d|tojson }}|{{ l|tojson(indent=1) }}",
       "[[{\"k\": \"v\"}]]|[[[\n \"a\",\n \"b\",\n 3\n]]]"},
      {"{{ {'x': csv, 'n': n}|tojson }}", "{\"x\": \"[[a,b]]\", \"n\": [[5]]}"},
      {"{{ [csv, 1] }}", "['[[a,b]]', 1]"},
      {"{{ d.items()|list }}", "[[[('k', 'v')]]]"},
      {"{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}", "[[k]]=[[v]]"},
      {"{{ d|dictsort|first }}", "[[('k', 'v')]]"},
      {"{{ {csv: 1} }}", "{'[[a,b]]': 1}"},
      {"{{ namespace(**d) }}", "<Namespace {'[[k]]': '[[v]]'}>"},
      {"{{ dict(**d) }}", "{'[[k]]': '[[v]]'}"},
  };
  for (const Example& e : kTable) Check(e);
}

TEST(JinjaOrigin, SpecialTokensAreTheTemplates) {
  EXPECT_EQ(Marked("{{ bos ~ c ~ bos }}", R"({"c": "<s>"})"), "<s>[[<s>]]<s>");
  // An argument of the same name is the user's.
  EXPECT_EQ(Marked("{{ x }}", R"({"x": "<s>"})"), "[[<s>]]");
}

}  // namespace
}  // namespace quarry::jinja
