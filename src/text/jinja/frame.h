// Variables of a running function: of the template, a macro, a recursive loop or a block.
#pragma once

#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/heap.h"
#include "text/jinja/value.h"

namespace quarry::jinja {

class Frame : public Object {
 public:
  Frame(Heap& heap, Frame* parent, int n_slots)
      : Object(&heap, sizeof(Frame) + static_cast<size_t>(n_slots) * sizeof(Value)),
        parent_(parent),
        slots_(static_cast<size_t>(n_slots)) {}

  Value& slot(int i) { return slots_[static_cast<size_t>(i)]; }
  Value& at(const VarRef& ref) {
    Frame* frame = this;
    for (int i = 0; i < ref.hops; ++i) frame = frame->parent_;
    return frame->slot(ref.slot);
  }

  // A macro or a recursive loop refers to this frame and those around it: they must outlive their
  // function's run.
  void Capture() {
    for (Frame* f = this; f != nullptr && !f->captured_; f = f->parent_) f->captured_ = true;
  }
  bool captured() const { return captured_; }
  void Clear() override { slots_.clear(); }

 private:
  Frame* parent_;
  std::vector<Value> slots_;
  bool captured_ = false;
};

// The frame of one run of a function; goes to the heap at the end if it was captured.
class FrameHolder {
 public:
  FrameHolder(Heap& heap, Frame* parent, int n_slots)
      : heap_(heap), frame_(std::make_unique<Frame>(heap, parent, n_slots)) {}
  FrameHolder(const FrameHolder&) = delete;
  FrameHolder& operator=(const FrameHolder&) = delete;
  ~FrameHolder() {
    if (frame_->captured()) heap_.Own(std::move(frame_));
  }
  Frame& operator*() { return *frame_; }

 private:
  Heap& heap_;
  std::unique_ptr<Frame> frame_;
};

}  // namespace quarry::jinja
