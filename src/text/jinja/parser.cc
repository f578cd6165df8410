// Statements.
#include "text/jinja/parser.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "text/jinja/parser_impl.h"

namespace quarry::jinja {

TemplateAst Parse(std::string_view source, const Limits& limits) {
  return Parser(Tokenize(source), limits).ParseTemplate();
}

Parser::Nest::Nest(Parser& parser) : parser_(parser) {
  if (++parser_.depth_ > parser_.limits_.syntax_depth) {
    --parser_.depth_;
    parser_.Fail(fmt::format("more than {} levels of nesting", parser_.limits_.syntax_depth));
  }
}

Token Parser::Next() {
  Token token = tokens_[pos_];
  if (pos_ + 1 < tokens_.size()) ++pos_;
  return token;
}

bool Parser::IsName(std::string_view name) const {
  return Is(TokenKind::kName) && Current().text == name;
}

bool Parser::SkipIf(TokenKind kind) {
  if (!Is(kind)) return false;
  Next();
  return true;
}

bool Parser::SkipName(std::string_view name) {
  if (!IsName(name)) return false;
  Next();
  return true;
}

Token Parser::Expect(TokenKind kind) {
  if (!Is(kind)) {
    if (Is(TokenKind::kEnd)) {
      Fail(fmt::format("unexpected end of template, expected '{}'.", Describe(kind)));
    }
    Fail(fmt::format("expected token '{}', got '{}'", Describe(kind), Describe(Current())));
  }
  return Next();
}

void Parser::ExpectName(std::string_view name) {
  if (!IsName(name)) {
    Fail(fmt::format("expected token '{}', got '{}'", name, Describe(Current())));
  }
  Next();
}

void Parser::Fail(std::string message, int line) const {
  throw SyntaxError{std::move(message), line > 0 ? line : Current().line};
}

void Parser::FailUnsupported(std::string message) const {
  throw SyntaxError{std::move(message), Current().line, true};
}

TemplateAst Parser::ParseTemplate() {
  TemplateAst ast;
  ast.body = Subparse({});
  ast.has_blocks = has_blocks_;
  return ast;
}

// Statements up to one of `ends`, which is then current; to the end of the template if there are
// none.
Body Parser::Subparse(Ends ends) {
  const Nest nest(*this);
  Body body;
  std::unique_ptr<OutputStmt> output;
  const auto piece = [&](std::string data, ExprPtr expr) {
    if (output == nullptr) output = std::make_unique<OutputStmt>(Current().line);
    output->pieces.push_back({std::move(data), std::move(expr)});
  };
  const auto flush = [&] {
    if (output != nullptr) body.push_back(std::move(output));
    output = nullptr;
  };
  while (!Is(TokenKind::kEnd)) {
    if (Is(TokenKind::kData)) {
      piece(Next().text, nullptr);
    } else if (Is(TokenKind::kVariableBegin)) {
      Next();
      ExprPtr expr = Tuple({});
      piece("", std::move(expr));
      Expect(TokenKind::kVariableEnd);
    } else {
      Expect(TokenKind::kBlockBegin);
      flush();
      if (std::any_of(ends.begin(), ends.end(), [&](auto end) { return IsName(end); })) return body;
      StmtPtr statement = Statement();
      if (statement != nullptr) body.push_back(std::move(statement));
      Expect(TokenKind::kBlockEnd);
    }
  }
  flush();
  if (ends.size() > 0) {
    std::string wanted;
    for (auto end : ends) wanted += fmt::format("{}'{}'", wanted.empty() ? "" : " or ", end);
    Fail(
        fmt::format("Unexpected end of template. Jinja was looking for the following tags: {}. The "
                    "innermost block that needs to be closed is '{}'.",
                    wanted, open_tags_.empty() ? "" : open_tags_.back()));
  }
  return body;
}

Body Parser::Statements(Ends ends, bool drop_end) {
  SkipIf(TokenKind::kColon);
  Expect(TokenKind::kBlockEnd);
  Body body = Subparse(ends);
  if (drop_end) Next();
  return body;
}

StmtPtr Parser::Statement() {
  if (!Is(TokenKind::kName)) Fail("tag name expected");
  const std::string tag = Current().text;
  open_tags_.push_back(tag);
  StmtPtr statement;
  if (tag == "for") {
    statement = For();
  } else if (tag == "if") {
    statement = If();
  } else if (tag == "set") {
    statement = Set();
  } else if (tag == "macro") {
    statement = Macro();
  } else if (tag == "call") {
    statement = CallBlock();
  } else if (tag == "filter") {
    statement = FilterBlock();
  } else if (tag == "with") {
    statement = With();
  } else if (tag == "generation") {
    statement = Generation();
  } else if (tag == "autoescape") {
    statement = Autoescape();
  } else if (tag == "block") {
    statement = Block();
  } else if (tag == "print") {
    statement = Print();
  } else if (tag == "break") {
    statement = std::make_unique<SimpleStmt>(StmtKind::kBreak, Next().line);
  } else if (tag == "continue") {
    statement = std::make_unique<SimpleStmt>(StmtKind::kContinue, Next().line);
  } else if (tag == "extends" || tag == "include" || tag == "import" || tag == "from") {
    FailUnsupported(fmt::format("{{% {} %}}: a chat template is a single file", tag));
  } else {
    open_tags_.pop_back();
    Fail(fmt::format("Encountered unknown tag '{}'.{}", tag,
                     open_tags_.empty()
                         ? std::string()
                         : fmt::format(" The innermost block that needs to be closed is '{}'.",
                                       open_tags_.back())));
  }
  open_tags_.pop_back();
  return statement;
}

StmtPtr Parser::If() {
  auto node = std::make_unique<IfStmt>(Current().line);
  ExpectName("if");
  for (;;) {
    IfStmt::Branch branch;
    branch.test = Tuple({.with_condition = false});
    branch.body = Statements({"elif", "else", "endif"}, false);
    node->branches.push_back(std::move(branch));
    const std::string end = Next().text;
    if (end == "elif") continue;
    if (end == "else") node->otherwise = Statements({"endif"}, true);
    return node;
  }
}

StmtPtr Parser::For() {
  auto node = std::make_unique<ForStmt>(Current().line);
  ExpectName("for");
  const size_t target_begin = pos_;
  node->target = Target("in", false);
  const size_t target_end = pos_;
  ExpectName("in");
  node->items = Tuple({.with_condition = false, .end_name = "recursive"});
  if (SkipName("if")) {
    node->test = Expression();
    // The test has variables of its own for the target: read it once more.
    const size_t after = pos_;
    pos_ = target_begin;
    node->test_target = Target("in", false);
    if (pos_ != target_end) Fail("for loop target");
    pos_ = after;
  }
  node->recursive = SkipName("recursive");
  node->body = Statements({"endfor", "else"}, false);
  if (Next().text == "else") node->otherwise = Statements({"endfor"}, true);
  return node;
}

StmtPtr Parser::Set() {
  const int line = Next().line;
  ExprPtr target = Target("", true);
  if (SkipIf(TokenKind::kAssign)) {
    auto node = std::make_unique<SetStmt>(line);
    node->target = std::move(target);
    node->value = Tuple({});
    return node;
  }
  auto node = std::make_unique<SetBlockStmt>(line);
  node->target = std::move(target);
  node->filter = Filter(nullptr);
  node->body = Statements({"endset"}, true);
  return node;
}

void Parser::Signature(MacroInfo& macro) {
  Expect(TokenKind::kLeftParen);
  while (!Is(TokenKind::kRightParen)) {
    if (!macro.parameters.empty()) Expect(TokenKind::kComma);
    const int line = Current().line;
    const std::string name = NameTarget();
    if (macro.parameters.size() >= kMaxArguments) {
      Fail(fmt::format("more than {} parameters", kMaxArguments), line);
    }
    for (const auto& other : macro.parameters) {
      if (other->name == name) {
        Fail(fmt::format("duplicate argument '{}' in function definition", name), line);
      }
    }
    macro.parameters.push_back(std::make_unique<NameExpr>(name, NameUse::kParameter, line));
    if (SkipIf(TokenKind::kAssign)) {
      macro.defaults.push_back(Expression());
    } else if (!macro.defaults.empty()) {
      Fail("non-default argument follows default argument");
    }
  }
  Expect(TokenKind::kRightParen);
}

StmtPtr Parser::Macro() {
  auto node = std::make_unique<MacroStmt>(Next().line);
  node->macro.line = node->line;
  node->macro.name = NameTarget();
  Signature(node->macro);
  node->macro.body = Statements({"endmacro"}, true);
  return node;
}

StmtPtr Parser::CallBlock() {
  auto node = std::make_unique<CallBlockStmt>(Next().line);
  node->macro.line = node->line;
  if (Is(TokenKind::kLeftParen)) Signature(node->macro);
  node->call = Expression();
  if (node->call->kind != ExprKind::kCall) Fail("expected call", node->line);
  node->macro.body = Statements({"endcall"}, true);
  return node;
}

// Marks what the model itself said, for training; here it only prints its body.
StmtPtr Parser::Generation() {
  auto node = std::make_unique<CallBlockStmt>(Next().line);
  node->macro.line = node->line;
  node->macro.body = Statements({"endgeneration"}, true);
  return node;
}

StmtPtr Parser::FilterBlock() {
  auto node = std::make_unique<FilterBlockStmt>(Next().line);
  node->filter = Filter(nullptr, true);
  node->body = Statements({"endfilter"}, true);
  return node;
}

StmtPtr Parser::With() {
  auto node = std::make_unique<WithStmt>(Next().line);
  while (!Is(TokenKind::kBlockEnd)) {
    if (!node->bindings.empty()) Expect(TokenKind::kComma);
    ExprPtr target = Target("", false);
    MarkStored(*target, NameUse::kParameter);
    Expect(TokenKind::kAssign);
    ExprPtr value = Expression();
    node->bindings.emplace_back(std::move(target), std::move(value));
  }
  node->body = Statements({"endwith"}, true);
  return node;
}

StmtPtr Parser::Autoescape() {
  auto node = std::make_unique<AutoescapeStmt>(Next().line);
  node->on = Expression();
  node->body = Statements({"endautoescape"}, true);
  return node;
}

StmtPtr Parser::Block() {
  has_blocks_ = true;
  auto node = std::make_unique<BlockStmt>(Next().line);
  node->name = Expect(TokenKind::kName).text;
  if (IsName("scoped") || IsName("required")) {
    FailUnsupported(fmt::format("{{% block {} {} %}}", node->name, Current().text));
  }
  node->body = Statements({"endblock"}, true);
  SkipName(node->name);
  return node;
}

StmtPtr Parser::Print() {
  auto node = std::make_unique<OutputStmt>(Next().line);
  while (!Is(TokenKind::kBlockEnd)) {
    if (!node->pieces.empty()) Expect(TokenKind::kComma);
    node->pieces.push_back({"", Expression()});
  }
  return node;
}

std::string Parser::NameTarget() {
  const Token token = Expect(TokenKind::kName);
  CheckTarget(NameExpr(token.text, NameUse::kStore, token.line));
  return token.text;
}

ExprPtr Parser::Target(std::string_view end_name, bool with_namespace) {
  ExprPtr target = Tuple({.simple = true, .end_name = end_name, .with_namespace = with_namespace});
  MarkStored(*target, NameUse::kStore);
  return target;
}

void Parser::CheckTarget(const Expr& target) const {
  if (target.kind != ExprKind::kName) return;
  const std::string& name = static_cast<const NameExpr&>(target).name;
  for (const char* word : {"true", "false", "none", "True", "False", "None"}) {
    if (name == word) Fail(fmt::format("can't assign to '{}'", name), target.line);
  }
}

void Parser::MarkStored(Expr& target, NameUse use) const {
  switch (target.kind) {
    case ExprKind::kName:
      static_cast<NameExpr&>(target).use = use;
      break;
    case ExprKind::kNamespaceRef:
      break;
    case ExprKind::kTuple:
      for (const auto& item : static_cast<OperandsExpr&>(target).operands) MarkStored(*item, use);
      break;
    default:
      Fail("can't assign to an expression", target.line);
  }
  CheckTarget(target);
}

}  // namespace quarry::jinja
