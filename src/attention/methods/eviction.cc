#include "attention/methods/eviction.h"

#include <numeric>

namespace quarry {
EvictionState::EvictionState(const EvictionRule& rule, int units, int64_t window)
    : rule_(rule), window_(window) {
  memory_.units.resize(static_cast<size_t>(units), KeptTokens(window == 0));
}

std::unique_ptr<MethodState> EvictionState::Clone() const {
  return std::make_unique<EvictionState>(*this);
}

TokenPos EvictionState::Truncate(TokenPos n) {
  if (n >= memory_.length) return memory_.length;
  const Memory* past = checkpoints_.Restore(n);
  const size_t units = memory_.units.size();
  memory_ = past != nullptr ? *past : Memory();
  memory_.units.resize(units, KeptTokens(window_ == 0));
  return memory_.length;
}

size_t EvictionState::UnitBytes() const {
  size_t bytes = 0;
  for (const KeptTokens& unit : memory_.units) bytes += unit.size_bytes();
  return bytes;
}

size_t EvictionState::size_bytes() const { return UnitBytes() + checkpoints_.size_bytes(); }

void EvictionState::Begin(const PlanInput& in, ExecContext& ctx) {
  checkpoints_.Save(memory_.length, memory_, UnitBytes());
  if (in.phase == Phase::kDecode && memory_.pending) Evict(ctx);
  Append({in.first, in.first + in.n_rows});
}

void EvictionState::Skip(const PlanInput& in) {
  checkpoints_.Save(memory_.length, memory_, UnitBytes());
  Append({in.first, in.first + in.n_rows});
}

void EvictionState::DropUnseen() {
  if (window_ == 0) return;
  for (KeptTokens& unit : memory_.units) unit.DropBefore(memory_.length + 1 - window_);
}

void EvictionState::Append(TokenRange tokens) {
  DropUnseen();
  for (KeptTokens& unit : memory_.units) unit.Append(tokens);
  memory_.length = tokens.end;
}

void EvictionState::End(const PlanInput& in, ExecContext& ctx) {
  memory_.pending = true;
  if (in.phase == Phase::kDecode) Evict(ctx);
}

std::vector<KeptTokens> EvictionState::Settled(ExecContext& ctx) const {
  EvictionState copy = *this;
  if (copy.memory_.pending) copy.Evict(ctx);
  return copy.memory_.units;
}

void EvictionState::Evict(ExecContext& ctx) {
  memory_.pending = false;
  DropUnseen();
  const int64_t capacity = rule_.best + rule_.recent;
  for (const KeptTokens& unit : memory_.units) memory_.whole &= unit.size() <= capacity;
  if (memory_.whole) return;
  ctx.threads().Run(static_cast<int64_t>(memory_.units.size()), [&](int64_t u, int worker) {
    Evict(memory_.units[static_cast<size_t>(u)], ctx.kernels(), ctx.scratch(worker));
  });
}

void EvictionState::Evict(KeptTokens& unit, const kernels::KernelTable& kernels,
                          Scratch& scratch) const {
  const int64_t size = unit.size();
  if (size <= rule_.best + rule_.recent) return;
  Scratch::Scope scope(scratch);
  const std::span<int32_t> stay =
      scratch.Take<int32_t>(static_cast<size_t>(rule_.best + rule_.recent));
  kernels.top_k(unit.scores().data(), size - rule_.recent, rule_.best, stay.data());
  std::iota(stay.begin() + rule_.best, stay.end(), static_cast<int32_t>(size - rule_.recent));
  unit.Keep(stay);
}

}  // namespace quarry
