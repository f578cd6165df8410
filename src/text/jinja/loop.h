// The variable `loop`.
#pragma once

#include <memory>
#include <optional>

#include "text/jinja/ast.h"
#include "text/jinja/frame.h"
#include "text/jinja/host_object.h"

namespace quarry::jinja {

class Interpreter;

// Walks over the items of a loop, one ahead if asked about what follows. Owned by the heap, for it
// may be kept in what it walks over.
class LoopObject : public HostObject {
 public:
  struct Recursion {
    Interpreter* interpreter = nullptr;
    const ForStmt* node = nullptr;  // null: not a recursive loop
    Frame* parent = nullptr;
    int depth0 = 0;
  };
  // `iterable`: what len() is asked of; missing if items are left out by a test.
  LoopObject(Heap* heap, Value iterable, std::unique_ptr<Iterator> items,
             const Recursion& recursion);

  bool Next(Runtime& rt, Value* out);
  // The loop is over: drops what it walked over.
  void Finish();

  std::string_view type_name() const override { return "LoopContext"; }
  std::string_view module() const override { return "jinja2.runtime"; }
  std::optional<Value> Attribute(Runtime& rt, std::string_view name) override;
  std::optional<size_t> Length(Runtime& rt) override;
  bool callable() const override { return true; }
  Value Call(Runtime& rt, Args args) override;
  void AppendRepr(Runtime& rt, bool from_user, StrBuilder& out) override;
  void Clear() override { Finish(); }

  int64_t index0() const { return index0_; }
  // Whether the values differ from those of the last call.
  bool Changed(Runtime& rt, Value values);

 private:
  const Value& PeekNext(Runtime& rt);

  Recursion recursion_;
  Value iterable_;
  std::unique_ptr<Iterator> items_;
  int64_t index0_ = -1;
  std::optional<int64_t> length_;
  Value before_;
  Value current_;
  Value after_;
  Value last_changed_;
};

}  // namespace quarry::jinja
