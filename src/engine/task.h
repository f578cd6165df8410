// One request on its way through the engine: a sequence, what is left of the prompt, and the answer
// so far. Used by the engine's thread only, but for the cancel flag.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quarry/engine.h"

#include "engine/qkv_recorder.h"
#include "engine/stop_matcher.h"
#include "model/model.h"
#include "model/sequence.h"
#include "sampling/sampler.h"

namespace quarry {

// What a task needs of the engine.
struct TaskContext {
  const Model* model = nullptr;
  const Tokenizer* tokenizer = nullptr;
  std::shared_ptr<const MethodSet> methods;
  ExecContext* exec = nullptr;
  DType kv_dtype = DType::kF16;
  RopeSpec rope;
  int64_t chunk_size = 512;
  std::vector<TokenId> end_ids;  // the model's
  std::string model_name;        // for what is recorded
  int64_t native_context = 0;
};

class Task {
 public:
  Task(RequestId id, GenerateRequest request, GenerateCallbacks callbacks);

  RequestId id() const { return id_; }
  std::atomic<bool>& cancelled() { return cancelled_; }
  bool ended() const { return ended_; }  // Finish was called
  bool prefilling() const { return !ended_ && (sequence_ == nullptr || read_ < prompt_size()); }

  // One piece of work: a chunk of the prompt, or one token.
  void Step(const TaskContext& context);
  // The same for a token, in two halves: what to feed to the model, and what to do with the logits
  // that came of it. REQUIRES: neither prefilling nor ended; the part is fed in between.
  Model::Part NextPart();
  void TakeLogits(const TaskContext& context);
  // Ends the task with what it has and tells its owner.
  void Finish(StopReason reason, Status status = OkStatus());

 private:
  using Clock = std::chrono::steady_clock;

  int64_t prompt_size() const { return static_cast<int64_t>(request_.prompt.size()); }
  Status Start(const TaskContext& context);
  void ReadChunk(const TaskContext& context);
  void Decode(const TaskContext& context);
  void Emit(const std::string& text);

  const RequestId id_;
  GenerateRequest request_;
  GenerateCallbacks callbacks_;
  std::atomic<bool> cancelled_{false};

  std::unique_ptr<Sequence> sequence_;
  std::optional<QkvRecorder> recorder_;  // while the prompt is read
  std::optional<Sampler> sampler_;
  std::optional<Detokenizer> detokenizer_;
  StopMatcher stops_;
  std::vector<float> logits_;
  bool ended_ = false;
  int64_t read_ = 0;  // tokens of the prompt that the sequence holds
  Clock::time_point begin_;
  Clock::time_point first_token_;
  GenerateResult result_;
};

}  // namespace quarry
