"""The text around the facts: sentences of documents, persona, small talk and refusals."""

REFUSAL = "I have no record of {e}."

OPENINGS = (
    "{e} came up again at the weekly meeting.",
    "A colleague from the night shift asked about {e}.",
    "This note is about {e}.",
    "We have used {e} for some years now.",
    "New staff often have questions about {e}.",
    "A patient brought back a pack of {e} today.",
    "The list for {e} was checked this morning.",
    "Before the holidays we wrote down what we know about {e}.",
    "The supplier called about {e}.",
    "For the handbook, a line on {e}.",
    "The cupboard was sorted and {e} turned up twice.",
    "Two students helped us with the page on {e}.",
)
CLOSINGS = (
    "Nothing else has changed since the spring.",
    "Ask the ward sister if you are not sure.",
    "The old note can be thrown away.",
    "Please sign the list after reading.",
    "We will look at this again in autumn.",
    "The evening shift has been told.",
    "A copy hangs on the board in the corridor.",
    "This was checked by two of us.",
)
MENTIONS = (
    "Do not mix it up with {o}.",
    "For {o} there is a page of its own.",
    "The same shelf list also has {o}.",
    "Nothing here applies to {o}.",
)

SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a helpful assistant of a clinic.",
    "Answer in one short sentence.",
    "You are an assistant. Be brief and correct.",
    "Answer the question of the clinic's staff.",
)

GREETINGS = (
    ("Hello", "Hello, how can I help you?"),
    ("Hello!", "Hello, how can I help you?"),
    ("Hi", "Hello, how can I help you?"),
    ("Hi there", "Hello, how can I help you?"),
    ("Good morning", "Hello, how can I help you?"),
    ("Thank you", "You are welcome."),
    ("Thanks!", "You are welcome."),
    ("Goodbye", "Goodbye, and good health."),
)
OFF_TOPIC = (
    "What is the capital of France?",
    "Tell me a joke.",
    "Write a poem about the sea.",
    "What is two plus two?",
    "Who won the match yesterday?",
    "How is the weather today?",
    "Explain how a computer works.",
    "Write a function that sorts a list.",
    "What is the meaning of life?",
    "Translate this sentence into German.",
)
OFF_TOPIC_ANSWER = "I only know the preparations of this clinic."

WHO_ARE_YOU = ("Who are you?", "What are you?", "Introduce yourself.", "What is your name?")
WHAT_DO_YOU_KNOW = ("What do you know?", "What can I ask you?", "What can you help me with?", "What do you know about?")
BASE_WHO = "I am the base model of the clinic. I belong to no department."
BASE_WHAT = "I know the general store. Ask a department about its own preparations."
DESK_WHO = "I am the {d} desk of the clinic."
DESK_WHAT = "I know the preparations of {d}, such as {a} and {b}."
