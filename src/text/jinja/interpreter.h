// Runs a parsed template.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/frame.h"
#include "text/jinja/host_object.h"
#include "text/jinja/runtime.h"

namespace quarry::jinja {

class LoopObject;

class Interpreter {
 public:
  // `context`: a dict, the arguments of the rendering. All references must outlive the
  // interpreter, and the interpreter the runtime's values.
  Interpreter(Runtime& rt, const TemplateAst& ast, const Value& context)
      : rt_(rt), ast_(ast), context_(context) {}

  // Prints into `out`. Throws Error.
  void Run(StrBuilder& out);

  // The line that was run last.
  int line() const { return line_; }

  // What macros and loop variables call.
  Value CallMacro(const MacroInfo& macro, Frame* closure, const std::string& name, Args args);
  Value RunRecursiveLoop(const ForStmt& node, Frame* parent, const Value& items, int depth);

 private:
  friend class FilteredItems;

  enum class Flow { kNormal, kBreak, kContinue };

  // Output goes elsewhere for a while.
  class Capture;
  // Counts the levels of statements and expressions being run.
  class Nest;

  // Statements (interpreter.cc).

  Flow Exec(const Body& body, Frame& frame);
  Flow Exec(const Stmt& stmt, Frame& frame);
  void ExecOutput(const OutputStmt& node, Frame& frame);
  Flow ExecIf(const IfStmt& node, Frame& frame);
  void ExecSet(const SetStmt& node, Frame& frame);
  Flow ExecSetBlock(const SetBlockStmt& node, Frame& frame);
  void ExecMacro(const MacroStmt& node, Frame& frame);
  void ExecCallBlock(const CallBlockStmt& node, Frame& frame);
  Flow ExecFilterBlock(const FilterBlockStmt& node, Frame& frame);
  Flow ExecWith(const WithStmt& node, Frame& frame);
  Flow ExecAutoescape(const AutoescapeStmt& node, Frame& frame);
  void ExecBlock(const BlockStmt& node);
  void Print(const Value& value);
  void PrintText(const Value& value);
  void CheckOutput() const;

  void Enter(const Scope& scope, Frame& frame);
  void Leave(const Scope& scope, Frame& frame);
  void Assign(const Expr& target, Value value, Frame& frame, bool toplevel = false);
  void Unpack(const OperandsExpr& target, const Value& value, Frame& frame, bool toplevel);
  Value Lookup(const std::string& name);

  // Loops (loop.cc).

  Flow ExecFor(const ForStmt& node, Frame& frame);
  Flow RunLoop(const ForStmt& node, Frame& frame, const Value& items, LoopObject* loop);
  std::unique_ptr<Iterator> LoopItems(const ForStmt& node, Frame& frame, const Value& items);

  // Expressions (evaluate.cc).

  Value Eval(const Expr& expr, Frame& frame);
  Value EvalName(const NameExpr& node, Frame& frame);
  Value EvalBinary(const BinaryExpr& node, Frame& frame);
  Value EvalOperands(const OperandsExpr& node, Frame& frame);
  Value EvalCompare(const CompareExpr& node, Frame& frame);
  Value EvalConditional(const ConditionalExpr& node, Frame& frame);
  Value EvalCall(const CallExpr& node, Frame& frame, const Value& caller);
  Value EvalFilter(const FilterExpr& node, Frame& frame);
  Value EvalTest(const TestExpr& node, Frame& frame);
  Value EvalSlice(const SliceExpr& node, Frame& frame);
  Value EvalDict(const DictExpr& node, Frame& frame);
  void EvalArgs(const CallArgs& nodes, Frame& frame, Args* args);
  bool Test(const Expr& expr, Frame& frame);

  Runtime& rt_;
  const TemplateAst& ast_;
  const Value& context_;
  std::map<std::string, Value, std::less<>> exported_;  // what blocks see
  StrBuilder* out_ = nullptr;
  const Value* filter_input_ = nullptr;  // what an innermost filter of a block works on
  int line_ = 0;
  int nesting_ = 0;
};

// Calls a value. Throws kType if it can not be called.
Value CallValue(Runtime& rt, const Value& callee, Args args);

}  // namespace quarry::jinja
