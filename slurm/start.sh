# Sourced by the batch scripts beside it; nothing in here is to be adapted.

# train ARGUMENTS...: train.py in every task of the job.  If one fails or is killed, SLURM names it, and ends those that
# do not end within 10 seconds.  When the run was asked to stop (time limit, preemption) it has saved, and the job goes
# back into the queue.
train() {
    in_tasks "${PYTHON:-.venv/bin/python}" train.py "$@" || come_back_after $?
}

# agent ARGUMENTS...: one trial of a W&B sweep in every task of the job, which comes back as that of train does.
agent() {
    in_tasks bash -c 'source slurm/start.sh && unless_told_to_stop "$@"' - \
        "${WANDB:-.venv/bin/wandb}" agent --forward-signals --count 1 "$@" || come_back_after $?
}

# unless_told_to_stop COMMAND...: its exit code; but 75 or 143 if it was told to stop (SIGUSR1, SIGTERM).  An agent ends
# with 0 whatever its trial ended with.  The trial has told the server that it was interrupted, and the server hands it
# out again: the agent of the job that came back, or another one, goes on with it in its folder.
unless_told_to_stop() {
    local code=0 told="" name="" process=""
    trap 'told=75 name=USR1; kill -$name $process 2>/dev/null' USR1
    trap 'told=143 name=TERM; kill -$name $process 2>/dev/null' TERM
    "$@" &
    process=$!
    [ -z "$name" ] || kill "-$name" "$process" # which came before this process knew that one
    while true; do # a signal ends `wait`, too
        wait "$process"
        code=$?
        kill -0 "$process" 2>/dev/null || break
    done
    return "${told:-$code}"
}

in_tasks() {
    if [ ! -f train.py ]; then
        echo "submit from Kinogan's folder, where train.py is" >&2
        return 2
    fi
    # Not --kill-on-bad-exit: it ends the others with SIGTERM, and the exit code would be that of a preemption.
    srun --wait=10 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" "$@"
}

# come_back_after CODE: requeue the job if its code says that it was asked to stop: train.py's 75 and 143 after saving,
# or 128 + the signal when it was not training yet.  Otherwise the job ends with that code.
come_back_after() {
    local code=$1 restarts=${SLURM_RESTART_COUNT:-0} most=${MOST_RESTARTS:-100}
    # The array's last task has the number of the whole array as its job id, so a task is named by its place.
    local job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}}
    job=${job:-$SLURM_JOB_ID}
    case $code in 75 | 138 | 143) ;; *) return "$code" ;; esac
    if [ "$restarts" -ge "$most" ]; then
        echo "job $job: stopped again after $restarts restarts (MOST_RESTARTS is $most); not requeued" >&2
        return "$code"
    fi
    echo "job $job: stopped with exit code $code; back into the queue, restart $((restarts + 1))"
    scontrol requeue "$job" || return "$code"
}
