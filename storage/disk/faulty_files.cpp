// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/faulty_files.hpp"

#include <utility>

namespace lodestone::storage {

void Faults::fail(FileOp op, std::errc code, std::uint64_t nth, std::uint64_t times) {
  const std::lock_guard lock{mutex_};
  Plan& plan = plans_[static_cast<std::size_t>(op)];
  plan.code = std::make_error_code(code);
  plan.first = plan.calls + nth;
  plan.times = times;
}

void Faults::limit_space(std::uint64_t bytes) {
  const std::lock_guard lock{mutex_};
  space_ = bytes;
}

void Faults::heal() {
  const std::lock_guard lock{mutex_};
  for (Plan& plan : plans_) plan.times = 0;
  space_ = kNoLimit;
}

std::uint64_t Faults::calls(FileOp op) const {
  const std::lock_guard lock{mutex_};
  return plans_[static_cast<std::size_t>(op)].calls;
}

std::error_code Faults::check(FileOp op, std::uint64_t bytes) {
  const std::lock_guard lock{mutex_};
  Plan& plan = plans_[static_cast<std::size_t>(op)];
  ++plan.calls;
  if (plan.calls >= plan.first && plan.calls - plan.first < plan.times) return plan.code;
  if (space_ == kNoLimit) return {};
  if (bytes > space_) return std::make_error_code(std::errc::no_space_on_device);
  space_ -= bytes;
  return {};
}

class FaultyFileSet final : public FileSet {
 public:
  FaultyFileSet(std::unique_ptr<FileSet> inner, std::shared_ptr<Faults> faults)
      : inner_(std::move(inner)), faults_(std::move(faults)) {}

  void set_layout(std::shared_ptr<const Manifest> manifest) override { inner_->set_layout(std::move(manifest)); }
  void set_parts(std::vector<bool> parts) override { inner_->set_parts(std::move(parts)); }
  std::error_code stat(std::uint32_t file, FileStat& out) override {
    return guarded(FileOp::stat, [&] { return inner_->stat(file, out); });
  }
  std::error_code data_ranges(std::uint32_t file, std::vector<ByteRange>& out) override {
    return guarded(FileOp::data_ranges, [&] { return inner_->data_ranges(file, out); });
  }
  std::error_code create(std::uint32_t file) override {
    return guarded(FileOp::create, [&] { return inner_->create(file); });
  }
  std::error_code resize(std::uint32_t file, std::uint64_t size) override {
    return guarded(FileOp::resize, [&] { return inner_->resize(file, size); });
  }
  std::error_code remove(std::uint32_t file) override {
    return guarded(FileOp::remove, [&] { return inner_->remove(file); });
  }
  std::error_code write(std::uint32_t file, std::uint64_t offset, std::span<const wire::Bytes> data) override {
    if (const auto code = faults_->check(FileOp::write, size_of(data))) {
      static_cast<void>(inner_->write(file, offset, data.first(data.size() / 2)));
      return code;
    }
    return inner_->write(file, offset, data);
  }
  std::error_code read(std::uint32_t file, std::uint64_t offset, wire::MutableBytes out) override {
    return guarded(FileOp::read, [&] { return inner_->read(file, offset, out); });
  }
  std::error_code adopt(std::uint32_t file, std::uint64_t offset, std::uint64_t length) override {
    return guarded(FileOp::adopt, [&] { return inner_->adopt(file, offset, length); });
  }
  void mark_dirty(std::uint32_t file) override { inner_->mark_dirty(file); }
  std::error_code sync() override {
    return guarded(FileOp::sync, [&] { return inner_->sync(); });
  }
  void close() override { inner_->close(); }
  std::string path(std::uint32_t file) const override { return inner_->path(file); }
  std::string path(StateBlob blob) const override { return inner_->path(blob); }

  std::optional<wire::ByteVector> load(StateBlob blob) override { return inner_->load(blob); }
  std::error_code replace(StateBlob blob, wire::Bytes content) override {
    if (const auto code = faults_->check(FileOp::replace, content.size())) return code;
    return inner_->replace(blob, content);
  }
  std::error_code append(StateBlob blob, wire::Bytes content) override {
    if (const auto code = faults_->check(FileOp::append, content.size())) return code;
    return inner_->append(blob, content);
  }
  void erase(StateBlob blob) override { inner_->erase(blob); }
  std::error_code write_scratch(std::uint64_t offset, std::span<const wire::Bytes> data) override {
    if (const auto code = faults_->check(FileOp::write_scratch, size_of(data))) {
      static_cast<void>(inner_->write_scratch(offset, data.first(data.size() / 2)));
      return code;
    }
    return inner_->write_scratch(offset, data);
  }
  std::error_code read_scratch(std::uint64_t offset, wire::MutableBytes out) override {
    return guarded(FileOp::read_scratch, [&] { return inner_->read_scratch(offset, out); });
  }

 private:
  template <class F>
  std::error_code guarded(FileOp op, F&& f) {
    if (const auto code = faults_->check(op, 0)) return code;
    return f();
  }
  static std::uint64_t size_of(std::span<const wire::Bytes> data) {
    std::uint64_t sum = 0;
    for (const wire::Bytes bytes : data) sum += bytes.size();
    return sum;
  }

  std::unique_ptr<FileSet> inner_;
  std::shared_ptr<Faults> faults_;
};

std::unique_ptr<FileSet> make_faulty_files(std::unique_ptr<FileSet> inner, std::shared_ptr<Faults> faults) {
  return std::make_unique<FaultyFileSet>(std::move(inner), std::move(faults));
}

}  // namespace lodestone::storage
