// Helpers of the interpreter's files.
#pragma once

#include <fmt/format.h>

#include "text/jinja/error.h"
#include "text/jinja/interpreter.h"

namespace quarry::jinja {

class Interpreter::Nest {
 public:
  explicit Nest(Interpreter& interpreter) : interpreter_(interpreter) {
    const int limit = interpreter_.rt_.limits().nesting;
    if (++interpreter_.nesting_ > limit) {
      --interpreter_.nesting_;
      Throw(ErrorKind::kLimit,
            fmt::format("statements and expressions nested more than {} deep", limit));
    }
    interpreter_.rt_.Step();
  }
  Nest(const Nest&) = delete;
  Nest& operator=(const Nest&) = delete;
  ~Nest() { --interpreter_.nesting_; }

 private:
  Interpreter& interpreter_;
};

class Interpreter::Capture {
 public:
  Capture(Interpreter& interpreter, bool markup)
      : interpreter_(interpreter),
        before_(interpreter.out_),
        builder_(interpreter.rt_.heap(), markup) {
    interpreter_.out_ = &builder_;
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() { interpreter_.out_ = before_; }

  // What was printed so far; printing goes where it went before.
  Value Finish() {
    interpreter_.out_ = before_;
    return Value::Of(builder_.Finish());
  }

 private:
  Interpreter& interpreter_;
  StrBuilder* before_;
  StrBuilder builder_;
};

}  // namespace quarry::jinja
