export default undefined as never;
