// Expressions, from the loosest binding to the tightest.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "text/jinja/parser_impl.h"

namespace quarry::jinja {
namespace {

constexpr int kMaxExprDepth = 1000;  // of chains such as a + b + c; they nest to the left

Value ConstString(std::string_view text) {
  return Value::Of(
      std::make_shared<const Str>(nullptr, std::string(text), std::vector<size_t>{}, false));
}

}  // namespace

void Parser::Deepen(Expr& node, const Expr* part) const {
  if (part == nullptr) return;
  node.depth = std::max(node.depth, part->depth + 1);
  if (node.depth > kMaxExprDepth) {
    Fail(fmt::format("an expression of more than {} levels", kMaxExprDepth), node.line);
  }
}

void Parser::Deepen(Expr& node, const CallArgs& args) const {
  for (const auto& arg : args.positional) Deepen(node, arg.get());
  for (const auto& [name, arg] : args.keyword) Deepen(node, arg.get());
  Deepen(node, args.star.get());
  Deepen(node, args.star_star.get());
}

ExprPtr Parser::Expression(bool with_condition) {
  const Nest nest(*this);
  return with_condition ? Conditional() : Or();
}

ExprPtr Parser::Conditional() {
  int line = Current().line;
  ExprPtr node = Or();
  while (SkipName("if")) {
    auto conditional = std::make_unique<ConditionalExpr>(line);
    conditional->then = std::move(node);
    conditional->test = Or();
    if (SkipName("else")) {
      const Nest nest(*this);
      conditional->otherwise = Conditional();
    }
    Deepen(*conditional, conditional->then.get());
    Deepen(*conditional, conditional->test.get());
    Deepen(*conditional, conditional->otherwise.get());
    node = std::move(conditional);
    line = Current().line;
  }
  return node;
}

ExprPtr Parser::Or() {
  const int line = Current().line;
  ExprPtr first = And();
  if (!IsName("or")) return first;
  auto node = std::make_unique<OperandsExpr>(ExprKind::kOr, line);
  node->operands.push_back(std::move(first));
  while (SkipName("or")) node->operands.push_back(And());
  for (const auto& operand : node->operands) Deepen(*node, operand.get());
  return node;
}

ExprPtr Parser::And() {
  const int line = Current().line;
  ExprPtr first = Not();
  if (!IsName("and")) return first;
  auto node = std::make_unique<OperandsExpr>(ExprKind::kAnd, line);
  node->operands.push_back(std::move(first));
  while (SkipName("and")) node->operands.push_back(Not());
  for (const auto& operand : node->operands) Deepen(*node, operand.get());
  return node;
}

ExprPtr Parser::Not() {
  if (!IsName("not")) return Compare();
  const Nest nest(*this);
  auto node = std::make_unique<OperandsExpr>(ExprKind::kNot, Next().line);
  node->operands.push_back(Not());
  Deepen(*node, node->operands[0].get());
  return node;
}

ExprPtr Parser::Compare() {
  const int line = Current().line;
  ExprPtr first = Sum();
  auto node = std::make_unique<CompareExpr>(line);
  for (;;) {
    CompareOp op;
    switch (Current().kind) {
      case TokenKind::kEqual:
        op = CompareOp::kEqual;
        break;
      case TokenKind::kNotEqual:
        op = CompareOp::kNotEqual;
        break;
      case TokenKind::kLess:
        op = CompareOp::kLess;
        break;
      case TokenKind::kLessEqual:
        op = CompareOp::kLessEqual;
        break;
      case TokenKind::kGreater:
        op = CompareOp::kGreater;
        break;
      case TokenKind::kGreaterEqual:
        op = CompareOp::kGreaterEqual;
        break;
      default:
        if (IsName("in")) {
          op = CompareOp::kIn;
        } else if (IsName("not") && Look().kind == TokenKind::kName && Look().text == "in") {
          Next();
          op = CompareOp::kNotIn;
        } else {
          if (node->rest.empty()) return first;
          node->first = std::move(first);
          Deepen(*node, node->first.get());
          for (const auto& [o, operand] : node->rest) Deepen(*node, operand.get());
          return node;
        }
    }
    Next();
    node->rest.emplace_back(op, Sum());
  }
}

ExprPtr Parser::Sum() {
  int line = Current().line;
  ExprPtr left = Concat();
  while (Is(TokenKind::kAdd) || Is(TokenKind::kSub)) {
    auto node = std::make_unique<BinaryExpr>(
        Next().kind == TokenKind::kAdd ? BinaryOp::kAdd : BinaryOp::kSub, line);
    node->left = std::move(left);
    node->right = Concat();
    Deepen(*node, node->left.get());
    Deepen(*node, node->right.get());
    left = std::move(node);
    line = Current().line;
  }
  return left;
}

ExprPtr Parser::Concat() {
  const int line = Current().line;
  ExprPtr first = Product();
  if (!Is(TokenKind::kTilde)) return first;
  auto node = std::make_unique<OperandsExpr>(ExprKind::kConcat, line);
  node->operands.push_back(std::move(first));
  while (SkipIf(TokenKind::kTilde)) node->operands.push_back(Product());
  for (const auto& operand : node->operands) Deepen(*node, operand.get());
  return node;
}

ExprPtr Parser::Product() {
  int line = Current().line;
  ExprPtr left = Power();
  for (;;) {
    BinaryOp op;
    switch (Current().kind) {
      case TokenKind::kMul:
        op = BinaryOp::kMul;
        break;
      case TokenKind::kDiv:
        op = BinaryOp::kDiv;
        break;
      case TokenKind::kFloorDiv:
        op = BinaryOp::kFloorDiv;
        break;
      case TokenKind::kMod:
        op = BinaryOp::kMod;
        break;
      default:
        return left;
    }
    Next();
    auto node = std::make_unique<BinaryExpr>(op, line);
    node->left = std::move(left);
    node->right = Power();
    Deepen(*node, node->left.get());
    Deepen(*node, node->right.get());
    left = std::move(node);
    line = Current().line;
  }
}

// Groups to the left, unlike Python's.
ExprPtr Parser::Power() {
  int line = Current().line;
  ExprPtr left = Unary();
  while (SkipIf(TokenKind::kPow)) {
    auto node = std::make_unique<BinaryExpr>(BinaryOp::kPow, line);
    node->left = std::move(left);
    node->right = Unary();
    Deepen(*node, node->left.get());
    Deepen(*node, node->right.get());
    left = std::move(node);
    line = Current().line;
  }
  return left;
}

ExprPtr Parser::Unary(bool with_filter) {
  const Nest nest(*this);
  ExprPtr node;
  if (Is(TokenKind::kSub) || Is(TokenKind::kAdd)) {
    const Token token = Next();
    auto unary = std::make_unique<OperandsExpr>(
        token.kind == TokenKind::kSub ? ExprKind::kMinus : ExprKind::kPlus, token.line);
    unary->operands.push_back(Unary(false));
    Deepen(*unary, unary->operands[0].get());
    node = std::move(unary);
  } else {
    node = Primary();
  }
  node = Postfix(std::move(node));
  return with_filter ? FilterExpression(std::move(node)) : std::move(node);
}

ExprPtr Parser::Primary(bool with_namespace) {
  const Token& token = Current();
  const int line = token.line;
  switch (token.kind) {
    case TokenKind::kName: {
      const std::string name = Next().text;
      if (name == "true" || name == "True")
        return std::make_unique<ConstExpr>(Value::Bool(true), line);
      if (name == "false" || name == "False") {
        return std::make_unique<ConstExpr>(Value::Bool(false), line);
      }
      if (name == "none" || name == "None") return std::make_unique<ConstExpr>(Value::None(), line);
      if (with_namespace && SkipIf(TokenKind::kDot)) {
        return std::make_unique<NamespaceRefExpr>(name, Expect(TokenKind::kName).text, line);
      }
      return std::make_unique<NameExpr>(name, NameUse::kLoad, line);
    }
    case TokenKind::kString:
      return StringLiteral();
    case TokenKind::kInteger: {
      const BigInt value = Next().integer;
      if (const auto small = value.ToInt64()) {
        return std::make_unique<ConstExpr>(Value::Int(*small), line);
      }
      return std::make_unique<ConstExpr>(
          Value::Of(std::make_shared<const BigIntObject>(nullptr, value)), line);
    }
    case TokenKind::kFloat:
      return std::make_unique<ConstExpr>(Value::Float(Next().number), line);
    case TokenKind::kLeftParen: {
      Next();
      ExprPtr node = Tuple({.in_parentheses = true});
      Expect(TokenKind::kRightParen);
      return node;
    }
    case TokenKind::kLeftBracket:
      return ListLiteral();
    case TokenKind::kLeftBrace:
      return DictLiteral();
    default:
      Fail(fmt::format("unexpected '{}'", Describe(token)), line);
  }
}

// Strings side by side are one.
ExprPtr Parser::StringLiteral() {
  const int line = Current().line;
  std::string text;
  while (Is(TokenKind::kString)) text += Next().text;
  return std::make_unique<ConstExpr>(ConstString(text), line);
}

ExprPtr Parser::Tuple(const TupleOptions& options) {
  const Nest nest(*this);
  int line = Current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) Expect(TokenKind::kComma);
    if (Is(TokenKind::kVariableEnd) || Is(TokenKind::kBlockEnd) || Is(TokenKind::kRightParen) ||
        (!options.end_name.empty() && IsName(options.end_name))) {
      break;
    }
    items.push_back(options.simple ? Primary(options.with_namespace)
                                   : Expression(options.with_condition));
    if (!Is(TokenKind::kComma)) break;
    is_tuple = true;
    line = Current().line;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!options.in_parentheses) {
      Fail(fmt::format("Expected an expression, got '{}'", Describe(Current())));
    }
  }
  auto node = std::make_unique<OperandsExpr>(ExprKind::kTuple, line);
  node->operands = std::move(items);
  for (const auto& item : node->operands) Deepen(*node, item.get());
  return node;
}

ExprPtr Parser::ListLiteral() {
  auto node = std::make_unique<OperandsExpr>(ExprKind::kList, Expect(TokenKind::kLeftBracket).line);
  while (!Is(TokenKind::kRightBracket)) {
    if (!node->operands.empty()) Expect(TokenKind::kComma);
    if (Is(TokenKind::kRightBracket)) break;
    node->operands.push_back(Expression());
    Deepen(*node, node->operands.back().get());
  }
  Expect(TokenKind::kRightBracket);
  return node;
}

ExprPtr Parser::DictLiteral() {
  auto node = std::make_unique<DictExpr>(Expect(TokenKind::kLeftBrace).line);
  while (!Is(TokenKind::kRightBrace)) {
    if (!node->items.empty()) Expect(TokenKind::kComma);
    if (Is(TokenKind::kRightBrace)) break;
    ExprPtr key = Expression();
    Expect(TokenKind::kColon);
    ExprPtr value = Expression();
    Deepen(*node, key.get());
    Deepen(*node, value.get());
    node->items.emplace_back(std::move(key), std::move(value));
  }
  Expect(TokenKind::kRightBrace);
  return node;
}

ExprPtr Parser::Postfix(ExprPtr node) {
  for (;;) {
    if (Is(TokenKind::kDot) || Is(TokenKind::kLeftBracket)) {
      node = Subscript(std::move(node));
    } else if (Is(TokenKind::kLeftParen)) {
      node = Call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr Parser::FilterExpression(ExprPtr node) {
  for (;;) {
    if (Is(TokenKind::kPipe)) {
      node = Filter(std::move(node));
    } else if (IsName("is")) {
      node = Test(std::move(node));
    } else if (Is(TokenKind::kLeftParen)) {
      node = Call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr Parser::Subscript(ExprPtr object) {
  const Token token = Next();
  if (token.kind == TokenKind::kDot) {
    const Token attribute = Next();
    if (attribute.kind == TokenKind::kName) {
      auto node = std::make_unique<GetAttrExpr>(attribute.text, token.line);
      node->object = std::move(object);
      Deepen(*node, node->object.get());
      return node;
    }
    const auto index = attribute.integer.ToInt64();
    if (attribute.kind != TokenKind::kInteger || !index) {
      Fail("expected name or number", attribute.line);
    }
    auto node = std::make_unique<GetItemExpr>(token.line);
    node->object = std::move(object);
    node->key = std::make_unique<ConstExpr>(Value::Int(*index), attribute.line);
    Deepen(*node, node->object.get());
    return node;
  }
  std::vector<ExprPtr> keys;
  std::unique_ptr<SliceExpr> slice;
  size_t parts = 0;
  for (; !Is(TokenKind::kRightBracket); ++parts) {
    if (parts > 0) Expect(TokenKind::kComma);
    ExprPtr key = Subscribed(&slice);
    if (key != nullptr) keys.push_back(std::move(key));
  }
  Expect(TokenKind::kRightBracket);
  if (slice != nullptr) {
    if (parts > 1) Fail("a slice next to other subscripts", token.line);
    slice->object = std::move(object);
    Deepen(*slice, slice->object.get());
    return slice;
  }
  auto node = std::make_unique<GetItemExpr>(token.line);
  node->object = std::move(object);
  if (keys.size() == 1) {
    node->key = std::move(keys[0]);
  } else {
    auto tuple = std::make_unique<OperandsExpr>(ExprKind::kTuple, token.line);
    tuple->operands = std::move(keys);
    for (const auto& key : tuple->operands) Deepen(*tuple, key.get());
    node->key = std::move(tuple);
  }
  Deepen(*node, node->object.get());
  Deepen(*node, node->key.get());
  return node;
}

// One subscript: returned, or put into `slice` if it has a colon.
ExprPtr Parser::Subscribed(std::unique_ptr<SliceExpr>* slice) {
  const int line = Current().line;
  ExprPtr start;
  if (!Is(TokenKind::kColon)) {
    start = Expression();
    if (!Is(TokenKind::kColon)) return start;
  }
  Next();
  auto node = std::make_unique<SliceExpr>(line);
  node->start = std::move(start);
  const auto ends = [&] { return Is(TokenKind::kRightBracket) || Is(TokenKind::kComma); };
  if (!Is(TokenKind::kColon) && !ends()) node->stop = Expression();
  if (SkipIf(TokenKind::kColon) && !ends()) node->step = Expression();
  Deepen(*node, node->start.get());
  Deepen(*node, node->stop.get());
  Deepen(*node, node->step.get());
  *slice = std::move(node);
  return nullptr;
}

CallArgs Parser::Arguments() {
  const int line = Expect(TokenKind::kLeftParen).line;
  CallArgs args;
  bool comma = false;
  const auto ensure = [&](bool good) {
    if (!good) Fail("invalid syntax for function call expression", line);
  };
  while (!Is(TokenKind::kRightParen)) {
    if (comma) {
      Expect(TokenKind::kComma);
      if (Is(TokenKind::kRightParen)) break;
    }
    if (SkipIf(TokenKind::kMul)) {
      ensure(args.star == nullptr && args.star_star == nullptr);
      args.star = Expression();
    } else if (SkipIf(TokenKind::kPow)) {
      ensure(args.star_star == nullptr);
      args.star_star = Expression();
    } else if (Is(TokenKind::kName) && Look().kind == TokenKind::kAssign) {
      ensure(args.star_star == nullptr);
      std::string name = Next().text;
      Next();
      if (args.keyword.size() >= kMaxArguments) {
        Fail(fmt::format("more than {} keyword arguments", kMaxArguments), line);
      }
      for (const auto& [given, value] : args.keyword) {
        if (given == name) Fail(fmt::format("keyword argument repeated: {}", name), line);
      }
      args.keyword.emplace_back(std::move(name), Expression());
    } else {
      ensure(args.star == nullptr && args.star_star == nullptr && args.keyword.empty());
      args.positional.push_back(Expression());
    }
    comma = true;
  }
  Expect(TokenKind::kRightParen);
  return args;
}

ExprPtr Parser::Call(ExprPtr callee) {
  auto node = std::make_unique<CallExpr>(Current().line);
  node->callee = std::move(callee);
  node->args = Arguments();
  Deepen(*node, node->callee.get());
  Deepen(*node, node->args);
  return node;
}

ExprPtr Parser::Filter(ExprPtr node, bool start_inline) {
  while (Is(TokenKind::kPipe) || start_inline) {
    if (!start_inline) Next();
    start_inline = false;
    const Token token = Expect(TokenKind::kName);
    std::string name = token.text;
    while (SkipIf(TokenKind::kDot)) name += "." + Expect(TokenKind::kName).text;
    auto filter = std::make_unique<FilterExpr>(std::move(name), token.line);
    filter->input = std::move(node);
    if (Is(TokenKind::kLeftParen)) filter->args = Arguments();
    Deepen(*filter, filter->input.get());
    Deepen(*filter, filter->args);
    node = std::move(filter);
  }
  return node;
}

ExprPtr Parser::Test(ExprPtr input) {
  const int line = Next().line;
  const bool negated = SkipName("not");
  std::string name = Expect(TokenKind::kName).text;
  while (SkipIf(TokenKind::kDot)) name += "." + Expect(TokenKind::kName).text;
  auto test = std::make_unique<TestExpr>(std::move(name), line);
  test->input = std::move(input);
  const bool operand = Is(TokenKind::kName) || Is(TokenKind::kString) || Is(TokenKind::kInteger) ||
                       Is(TokenKind::kFloat) || Is(TokenKind::kLeftBracket) ||
                       Is(TokenKind::kLeftBrace);
  if (Is(TokenKind::kLeftParen)) {
    test->args = Arguments();
  } else if (operand && !IsName("else") && !IsName("or") && !IsName("and")) {
    if (IsName("is")) Fail("You cannot chain multiple tests with is");
    test->args.positional.push_back(Postfix(Primary()));
  }
  Deepen(*test, test->input.get());
  Deepen(*test, test->args);
  if (!negated) return test;
  auto node = std::make_unique<OperandsExpr>(ExprKind::kNot, line);
  node->operands.push_back(std::move(test));
  Deepen(*node, node->operands[0].get());
  return node;
}

}  // namespace quarry::jinja
