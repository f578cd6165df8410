// The parsed template. Built by the parser; resolve.cc then fills in where each variable lives.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/filters.h"
#include "text/jinja/number.h"
#include "text/jinja/value.h"

namespace quarry::jinja {

// Where a variable lives: `hops` functions outwards, in slot `slot` of that frame.
struct VarRef {
  int hops = 0;
  int slot = -1;
};

// What a scope does to one of its variables on entry.
struct ScopeInit {
  enum class Action : uint8_t {
    kClear,    // no value yet
    kResolve,  // look `name` up in the arguments of the rendering, then the globals
    kAlias,    // begin with the value of an outer variable
  };
  Action action;
  int slot;
  VarRef from;       // kAlias
  std::string name;  // kResolve
};

// Variables of one scope. All slots become missing when it is left.
struct Scope {
  std::vector<ScopeInit> inits;
  std::vector<int> slots;
};

// A piece of the template with a frame of its own: the whole, macros, recursive loops, blocks.
struct FunctionInfo {
  int n_slots = 0;
};

enum class ExprKind : uint8_t {
  kConst,
  kName,
  kNamespaceRef,  // ns.attr as a target
  kBinary,
  kNot,
  kMinus,
  kPlus,
  kAnd,
  kOr,
  kCompare,
  kConcat,
  kConditional,
  kCall,
  kFilter,
  kTest,
  kGetAttr,
  kGetItem,
  kSlice,
  kList,
  kTuple,
  kDict,
};

struct Expr {
  Expr(ExprKind k, int l) : kind(k), line(l) {}
  virtual ~Expr() = default;
  ExprKind kind;
  int line;
  int depth = 1;  // levels of expressions, itself included
};
using ExprPtr = std::unique_ptr<Expr>;

struct ConstExpr : Expr {
  ConstExpr(Value v, int l) : Expr(ExprKind::kConst, l), value(std::move(v)) {}
  Value value;
};

enum class NameUse : uint8_t { kLoad, kStore, kParameter };

struct NameExpr : Expr {
  NameExpr(std::string n, NameUse u, int l)
      : Expr(ExprKind::kName, l), name(std::move(n)), use(u) {}
  std::string name;
  NameUse use;
  VarRef ref;
};

struct NamespaceRefExpr : Expr {
  NamespaceRefExpr(std::string n, std::string a, int l)
      : Expr(ExprKind::kNamespaceRef, l), name(std::move(n)), attribute(std::move(a)) {}
  std::string name;
  std::string attribute;
  VarRef ref;
};

// One operand or several: unary operators, `and`, `or`, concatenation, lists and tuples.
struct OperandsExpr : Expr {
  using Expr::Expr;
  std::vector<ExprPtr> operands;
};

struct BinaryExpr : Expr {
  BinaryExpr(BinaryOp o, int l) : Expr(ExprKind::kBinary, l), op(o) {}
  BinaryOp op;
  ExprPtr left;
  ExprPtr right;
};

enum class CompareOp : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

struct CompareExpr : Expr {
  explicit CompareExpr(int l) : Expr(ExprKind::kCompare, l) {}
  ExprPtr first;
  std::vector<std::pair<CompareOp, ExprPtr>> rest;
};

struct ConditionalExpr : Expr {
  explicit ConditionalExpr(int l) : Expr(ExprKind::kConditional, l) {}
  ExprPtr test;
  ExprPtr then;
  ExprPtr otherwise;  // null if left out
};

struct CallArgs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> keyword;
  ExprPtr star;       // *args
  ExprPtr star_star;  // **kwargs
};

struct CallExpr : Expr {
  explicit CallExpr(int l) : Expr(ExprKind::kCall, l) {}
  ExprPtr callee;
  CallArgs args;
};

struct FilterExpr : Expr {
  FilterExpr(std::string n, int l) : Expr(ExprKind::kFilter, l), name(std::move(n)) {}
  ExprPtr input;  // null for the body of {% filter %} and {% set %}
  std::string name;
  FilterFunction function = nullptr;  // null if unknown and only an error when it runs
  CallArgs args;
};

struct TestExpr : Expr {
  TestExpr(std::string n, int l) : Expr(ExprKind::kTest, l), name(std::move(n)) {}
  ExprPtr input;
  std::string name;
  TestFunction function = nullptr;
  CallArgs args;
};

struct GetAttrExpr : Expr {
  GetAttrExpr(std::string n, int l) : Expr(ExprKind::kGetAttr, l), name(std::move(n)) {}
  ExprPtr object;
  std::string name;
};

struct GetItemExpr : Expr {
  explicit GetItemExpr(int l) : Expr(ExprKind::kGetItem, l) {}
  ExprPtr object;
  ExprPtr key;
};

struct SliceExpr : Expr {
  explicit SliceExpr(int l) : Expr(ExprKind::kSlice, l) {}
  ExprPtr object;
  ExprPtr start;  // null if left out, as are the others
  ExprPtr stop;
  ExprPtr step;
};

struct DictExpr : Expr {
  explicit DictExpr(int l) : Expr(ExprKind::kDict, l) {}
  std::vector<std::pair<ExprPtr, ExprPtr>> items;
};

enum class StmtKind : uint8_t {
  kOutput,
  kIf,
  kFor,
  kSet,
  kSetBlock,
  kMacro,
  kCallBlock,
  kFilterBlock,
  kWith,
  kAutoescape,
  kBlock,
  kBreak,
  kContinue,
};

struct Stmt {
  Stmt(StmtKind k, int l) : kind(k), line(l) {}
  virtual ~Stmt() = default;
  StmtKind kind;
  int line;
};
using StmtPtr = std::unique_ptr<Stmt>;
using Body = std::vector<StmtPtr>;

struct OutputStmt : Stmt {
  explicit OutputStmt(int l) : Stmt(StmtKind::kOutput, l) {}
  struct Piece {
    std::string data;  // text of the template if `expr` is null
    ExprPtr expr;
  };
  std::vector<Piece> pieces;
};

struct IfStmt : Stmt {
  explicit IfStmt(int l) : Stmt(StmtKind::kIf, l) {}
  struct Branch {
    ExprPtr test;
    Body body;
  };
  std::vector<Branch> branches;  // if, elif, ...
  Body otherwise;
};

struct ForStmt : Stmt {
  explicit ForStmt(int l) : Stmt(StmtKind::kFor, l) {}
  ExprPtr target;
  ExprPtr items;
  ExprPtr test;  // null if none
  bool recursive = false;
  Body body;
  Body otherwise;

  // Resolved: the variables of the body, of the test, of the else part; the test has its own copy
  // of the target.
  bool has_loop = false;  // the body uses `loop`
  int loop_slot = -1;
  Scope scope;
  ExprPtr test_target;
  Scope test_scope;
  Scope else_scope;
  FunctionInfo function;  // of a recursive loop
};

struct SetStmt : Stmt {
  explicit SetStmt(int l) : Stmt(StmtKind::kSet, l) {}
  ExprPtr target;
  ExprPtr value;
  bool toplevel = false;  // visible in {% block %}s
};

struct SetBlockStmt : Stmt {
  explicit SetBlockStmt(int l) : Stmt(StmtKind::kSetBlock, l) {}
  ExprPtr target;
  ExprPtr filter;  // null if none; innermost FilterExpr has no input
  Body body;
  Scope scope;
  bool toplevel = false;
};

// A macro, or the body of {% call %}.
struct MacroInfo {
  std::string name;  // empty for {% call %}
  std::vector<std::unique_ptr<NameExpr>> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Body body;
  int line = 0;

  Scope scope;
  FunctionInfo function;
  // Slots of the special variables the body uses, -1 if it does not.
  int caller_slot = -1;
  int kwargs_slot = -1;
  int varargs_slot = -1;
  bool uses_caller = false;  // `caller` may be a parameter instead
};

struct MacroStmt : Stmt {
  explicit MacroStmt(int l) : Stmt(StmtKind::kMacro, l) {}
  MacroInfo macro;
  VarRef ref;
  bool toplevel = false;
};

struct CallBlockStmt : Stmt {
  explicit CallBlockStmt(int l) : Stmt(StmtKind::kCallBlock, l) {}
  ExprPtr call;  // a CallExpr; null for {% generation %}, which just prints its body
  MacroInfo macro;
};

struct FilterBlockStmt : Stmt {
  explicit FilterBlockStmt(int l) : Stmt(StmtKind::kFilterBlock, l) {}
  ExprPtr filter;
  Body body;
  Scope scope;
};

struct WithStmt : Stmt {
  explicit WithStmt(int l) : Stmt(StmtKind::kWith, l) {}
  std::vector<std::pair<ExprPtr, ExprPtr>> bindings;
  Body body;
  Scope scope;
};

struct AutoescapeStmt : Stmt {
  explicit AutoescapeStmt(int l) : Stmt(StmtKind::kAutoescape, l) {}
  ExprPtr on;
  Body body;
  Scope scope;
};

struct BlockStmt : Stmt {
  explicit BlockStmt(int l) : Stmt(StmtKind::kBlock, l) {}
  std::string name;
  Body body;
  Scope scope;
  FunctionInfo function;
};

struct SimpleStmt : Stmt {  // break, continue
  using Stmt::Stmt;
};

struct TemplateAst {
  Body body;
  Scope scope;
  FunctionInfo function;
  bool has_blocks = false;
};

}  // namespace quarry::jinja
