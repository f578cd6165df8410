// The parser's class, in two files: expressions and statements. Only they include this.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"
#include "text/jinja/limits.h"

namespace quarry::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, const Limits& limits)
      : tokens_(std::move(tokens)), limits_(limits) {}

  TemplateAst ParseTemplate();

 private:
  // Tokens.

  const Token& Current() const { return tokens_[pos_]; }
  const Token& Look() const { return tokens_[pos_ + 1 < tokens_.size() ? pos_ + 1 : pos_]; }
  Token Next();
  bool Is(TokenKind kind) const { return Current().kind == kind; }
  bool IsName(std::string_view name) const;
  bool SkipIf(TokenKind kind);
  bool SkipName(std::string_view name);
  Token Expect(TokenKind kind);
  void ExpectName(std::string_view name);
  [[noreturn]] void Fail(std::string message, int line = 0) const;
  [[noreturn]] void FailUnsupported(std::string message) const;

  // Counts the levels of nested calls of the parser.
  class Nest {
   public:
    explicit Nest(Parser& parser);
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;
    ~Nest() { --parser_.depth_; }

   private:
    Parser& parser_;
  };
  // Makes node deeper than its part, which may be null.
  void Deepen(Expr& node, const Expr* part) const;
  void Deepen(Expr& node, const CallArgs& args) const;

  // Expressions (parse_expr.cc).

  ExprPtr Expression(bool with_condition = true);
  ExprPtr Conditional();
  ExprPtr Or();
  ExprPtr And();
  ExprPtr Not();
  ExprPtr Compare();
  ExprPtr Sum();
  ExprPtr Concat();
  ExprPtr Product();
  ExprPtr Power();
  ExprPtr Unary(bool with_filter = true);
  ExprPtr Primary(bool with_namespace = false);
  ExprPtr Postfix(ExprPtr node);
  ExprPtr FilterExpression(ExprPtr node);
  ExprPtr Subscript(ExprPtr node);
  ExprPtr Subscribed(std::unique_ptr<SliceExpr>* slice);
  CallArgs Arguments();
  ExprPtr Call(ExprPtr callee);
  ExprPtr Filter(ExprPtr node, bool start_inline = false);
  ExprPtr Test(ExprPtr node);
  ExprPtr ListLiteral();
  ExprPtr DictLiteral();
  ExprPtr StringLiteral();

  struct TupleOptions {
    bool simple = false;  // only names and literals
    bool with_condition = true;
    std::string_view end_name = {};  // a name that ends the tuple
    bool in_parentheses = false;
    bool with_namespace = false;
  };
  ExprPtr Tuple(const TupleOptions& options);

  // Statements (parser.cc).

  using Ends = std::initializer_list<std::string_view>;
  Body Statements(Ends ends, bool drop_end);
  Body Subparse(Ends ends);
  StmtPtr Statement();
  StmtPtr If();
  StmtPtr For();
  StmtPtr Set();
  StmtPtr Macro();
  StmtPtr CallBlock();
  StmtPtr Generation();
  StmtPtr FilterBlock();
  StmtPtr With();
  StmtPtr Autoescape();
  StmtPtr Block();
  StmtPtr Print();
  void Signature(MacroInfo& macro);
  std::string NameTarget();
  ExprPtr Target(std::string_view end_name, bool with_namespace);
  void CheckTarget(const Expr& target) const;
  void MarkStored(Expr& target, NameUse use) const;

  std::vector<Token> tokens_;
  const Limits& limits_;
  size_t pos_ = 0;
  int depth_ = 0;
  bool has_blocks_ = false;
  std::vector<std::string> open_tags_;
};

}  // namespace quarry::jinja
