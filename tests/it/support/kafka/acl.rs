//! Narrows what a user may do with a topic. rdkafka does not wrap access control, so this calls librdkafka itself.

use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as rd;

use super::Broker;
use crate::support::wait;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const ERROR_TEXT_MAX: usize = 512;

/// What a user can be allowed to do with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Consume, which includes seeing that the topic is there.
    Read,
    /// Produce, likewise.
    Write,
}

impl Broker {
    /// From now on `user` may do only this with the topic, and what it was allowed so before, and other users nothing; for
    /// [`super::Options::authorizer`].
    ///
    /// Back when the broker enforces it.
    #[track_caller]
    pub fn allow_only(&self, user: &str, operation: Operation, topic: &str) {
        let admin = self.admin();
        let queue = Queue::of(admin.inner().native_ptr());
        let failed = |error| -> usize { panic!("access control of {topic}: {error}") };
        let before = queue.count(topic).unwrap_or_else(failed);
        if let Err(error) = queue.create(topic, user, operation) {
            failed(error);
        }
        wait::until("the new access control", wait::PATIENCE, || match queue.count(topic)? {
            count if count > before => Ok(()),
            count => Err(format!("{count}, as before")),
        });
    }
}

/// A queue of its own for answers: the admin client's thread takes those on the default one.
struct Queue {
    client: *mut rd::rd_kafka_t,
    queue: *mut rd::rd_kafka_queue_t,
}

impl Queue {
    fn of(client: *mut rd::rd_kafka_t) -> Self {
        // SAFETY: the client is alive, and outlives the queue in the one function that makes one.
        Self { client, queue: unsafe { rd::rd_kafka_queue_new(client) } }
    }

    fn create(&self, topic: &str, user: &str, operation: Operation) -> Result<(), String> {
        let (topic, user) = (c_string(topic), c_string(&format!("User:{user}")));
        let operation = match operation {
            Operation::Read => rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_READ,
            Operation::Write => rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE,
        };
        let mut why = [0; ERROR_TEXT_MAX];
        // SAFETY: all texts outlive the calls; librdkafka copies the binding, which is freed once; the answer's parts are
        // read before the answer is freed.
        unsafe {
            let mut binding = rd::rd_kafka_AclBinding_new(
                rd::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC,
                topic.as_ptr(),
                rd::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
                user.as_ptr(),
                c"*".as_ptr(),
                operation,
                rd::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
                why.as_mut_ptr(),
                why.len(),
            );
            if binding.is_null() {
                return Err(text(why.as_ptr()));
            }
            rd::rd_kafka_CreateAcls(self.client, &raw mut binding, 1, ptr::null(), self.queue);
            rd::rd_kafka_AclBinding_destroy(binding);
            let answer = self.answer()?;
            let mut count = 0;
            let result = rd::rd_kafka_event_CreateAcls_result(answer.0.as_ptr());
            let results = rd::rd_kafka_CreateAcls_result_acls(result, &raw mut count);
            if count != 1 {
                return Err(format!("{count} answers to one request"));
            }
            let error = rd::rd_kafka_acl_result_error(*results);
            if error.is_null() { Ok(()) } else { Err(text(rd::rd_kafka_error_string(error))) }
        }
    }

    /// How many entries the broker enforces for a topic.
    fn count(&self, topic: &str) -> Result<usize, String> {
        let topic = c_string(topic);
        let mut why = [0; ERROR_TEXT_MAX];
        // SAFETY: as in `create`.
        unsafe {
            let filter = rd::rd_kafka_AclBindingFilter_new(
                rd::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC,
                topic.as_ptr(),
                rd::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
                ptr::null(),
                ptr::null(),
                rd::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_ANY,
                rd::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
                why.as_mut_ptr(),
                why.len(),
            );
            if filter.is_null() {
                return Err(text(why.as_ptr()));
            }
            rd::rd_kafka_DescribeAcls(self.client, filter, ptr::null(), self.queue);
            rd::rd_kafka_AclBinding_destroy(filter);
            let answer = self.answer()?;
            let mut count = 0;
            let result = rd::rd_kafka_event_DescribeAcls_result(answer.0.as_ptr());
            rd::rd_kafka_DescribeAcls_result_acls(result, &raw mut count);
            Ok(count)
        }
    }

    fn answer(&self) -> Result<Answer, String> {
        let timeout_ms = i32::try_from(ANSWER_TIMEOUT.as_millis()).expect("a short time");
        // SAFETY: the queue is alive; the event is the caller's to free, which `Answer` does.
        let answer = NonNull::new(unsafe { rd::rd_kafka_queue_poll(self.queue, timeout_ms) });
        let answer = Answer(answer.ok_or_else(|| format!("no answer in {ANSWER_TIMEOUT:?}"))?);
        // SAFETY: the event is alive.
        match unsafe { rd::rd_kafka_event_error(answer.0.as_ptr()) } {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(answer),
            // SAFETY: the event is alive, and its text as long as it.
            _ => Err(unsafe { text(rd::rd_kafka_event_error_string(answer.0.as_ptr())) }),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by `of` and freed only here.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) }
    }
}

struct Answer(NonNull<rd::rd_kafka_event_t>);

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: made by `answer` and freed only here.
        unsafe { rd::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

fn c_string(text: &str) -> CString {
    CString::new(text).expect("names hold no NUL")
}

/// # Safety
/// `text` points to a C string.
unsafe fn text(text: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
